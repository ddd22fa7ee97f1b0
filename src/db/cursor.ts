import type pg from 'pg';
import type { Tx } from './pool.js';

/** Few enough that turning them into text holds up nobody else in this process for more than a few milliseconds. */
const ROWS_AT_ONCE = 200;

/**
 * The rows of a query, some at a time, for as long as the reader takes. `tx` reads one cursor at most.
 *
 * The cursor is SQL's own, and each FETCH a statement of its own: `statement_timeout` then bounds the work of the
 * server. Over a portal of the protocol, as pg-cursor reads, it goes on while a slow reader is waited for.
 */
export async function* readCursor<R extends pg.QueryResultRow>(
  tx: Tx,
  text: string,
  values: unknown[],
): AsyncGenerator<R[]> {
  await tx.query(`DECLARE reader NO SCROLL CURSOR FOR ${text}`, values);
  for (;;) {
    const { rows } = await tx.query<R>(`FETCH ${ROWS_AT_ONCE} FROM reader`);
    if (rows.length === 0) return;
    yield rows;
  }
}
