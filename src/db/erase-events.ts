import { firstIdAt } from '../ids.js';
import type { Db, Tx } from './pool.js';
import { holds, type Traces } from './traces.js';

/** So many rows are looked through in a fraction of a second. */
const AT_ONCE = 2_000;

/** An event's data (jsonb) without the person: the ids stay. */
const erased = (data: string) =>
  `(${data} || '{"number": "erased"}' || CASE WHEN ${data} ? 'fields' THEN '{"fields": {}}'::jsonb
    WHEN ${data} ? 'steps' THEN '{"steps": null, "answers": null}'::jsonb ELSE '{}'::jsonb END)`;

/** The same for each of a batch's events that holds the number. */
const ERASED_ITEMS = `(SELECT json_agg(CASE WHEN ${holds('i.item::text')} THEN ${erased('i.item::jsonb')}::json ELSE i.item END
    ORDER BY i.n) FROM json_array_elements(items) WITH ORDINALITY AS i(item, n))`;

/**
 * Erases a number from the tenant's events of the last days and from what was or is to be sent of them to webhooks. First where
 * they wait for their places: what the relay moves meanwhile is found where it went. Returns how many rows held it.
 */
export async function eraseInEvents(
  db: Db,
  tenantId: string,
  traces: Traces,
  since: Date = new Date(0),
): Promise<number> {
  const values = [tenantId, traces.national, traces.pattern];
  const outbox = await db.query(
    `UPDATE event_outbox SET items = ${ERASED_ITEMS} WHERE tenant_id = $1 AND ${holds('items::text')}`,
    values,
  );
  const first = String(since.getTime() * 1000);
  const events = await inPieces(
    db,
    'events',
    'position',
    first,
    values,
    `items = ${ERASED_ITEMS}`,
    'items::text',
  );
  const body = `body = (body::jsonb || jsonb_build_object('data', ${erased("(body::jsonb -> 'data')")}))::text`;
  const deliveries = await inPieces(db, 'webhook_deliveries', 'id', firstIdAt(since), values, body, 'body');
  return (outbox.rowCount ?? 0) + events + deliveries;
}

/** How long `eraseInEvents` may have been over by the time at which nobody has the number any more. */
const LATE_MS = 5 * 60_000;

/** Erases a number from the events that came after `eraseInEvents`, until the number was taken from whoever had it. */
export async function eraseInLateEvents(tx: Tx, tenantId: string, number: string): Promise<void> {
  const digits = number.slice(1);
  const traces = { number, national: digits, pattern: `\\+${digits}(?![0-9])` };
  await eraseInEvents(tx, tenantId, traces, new Date(Date.now() - LATE_MS));
}

/** Changes the rows of a table whose `text` holds the number, piece by piece along its `key`. */
async function inPieces(
  db: Db,
  table: 'events' | 'webhook_deliveries',
  key: 'position' | 'id',
  first: string,
  values: readonly unknown[],
  change: string,
  text: string,
): Promise<number> {
  let sum = 0;
  for (let after: string | number | undefined = first; after !== undefined; ) {
    const { rows }: { rows: { last: string | number; changed: number }[] } = await db.query(
      `WITH piece AS MATERIALIZED (
          SELECT ${key} AS key FROM ${table} WHERE tenant_id = $1 AND ${key} > $4 ORDER BY ${key} LIMIT ${AT_ONCE}
        ), changed AS (
          UPDATE ${table} SET ${change} FROM piece
          WHERE tenant_id = $1 AND ${key} = piece.key AND ${holds(text)} RETURNING 1
        )
        SELECT key AS last, (SELECT count(*)::integer FROM changed) AS changed
        FROM piece ORDER BY key DESC LIMIT 1`,
      [...values, after],
    );
    sum += rows[0]?.changed ?? 0;
    after = rows[0]?.last;
  }
  return sum;
}
