import type { Tx } from './pool.js';

/** A token bucket row. `age_ms` is measured by the database's clock, the one clock that all nodes share. */
export interface PaceRow {
  scope: string;
  id: string;
  tokens: number;
  age_ms: number;
}

export async function findPace(tx: Tx, keys: { scope: string; id: string }[]): Promise<PaceRow[]> {
  const { rows } = await tx.query<PaceRow>({
    name: 'find-pace',
    text: `SELECT scope, id, tokens,
        (extract(epoch FROM statement_timestamp() - refilled_at) * 1000)::double precision AS age_ms
      FROM pace JOIN unnest($1::text[], $2::text[]) AS k(scope, id) USING (scope, id)`,
    values: [keys.map((k) => k.scope), keys.map((k) => k.id)],
  });
  return rows;
}

export async function savePace(tx: Tx, rows: { scope: string; id: string; tokens: number }[]): Promise<void> {
  await tx.query({
    name: 'save-pace',
    text: `INSERT INTO pace (scope, id, tokens, refilled_at)
      SELECT scope, id, tokens, statement_timestamp()
      FROM unnest($1::text[], $2::text[], $3::double precision[]) AS k(scope, id, tokens)
      ON CONFLICT (scope, id) DO UPDATE SET tokens = excluded.tokens, refilled_at = excluded.refilled_at`,
    values: [rows.map((r) => r.scope), rows.map((r) => r.id), rows.map((r) => r.tokens)],
  });
}
