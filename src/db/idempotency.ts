import type { Db, Tx } from './pool.js';

/** What was answered to a request with an Idempotency-Key. */
export interface KeptAnswer {
  id: string;
  /** Hash of the request. */
  request: Buffer;
  /** Sealed. */
  answer: Buffer;
}

const KEPT = `interval '24 hours'`;
const LOCK = `hashtextextended('idempotency ' || coalesce($1::text, '') || ' ' || $2::text, 0)`;

/** What was answered with the key within the last 24 hours; `tenantId` is null for a key of the installation's. */
export async function findKeptAnswer(
  db: Db,
  tenantId: string | null,
  key: string,
): Promise<KeptAnswer | null> {
  const { rows } = await db.query<KeptAnswer>(
    `SELECT id, request, answer FROM idempotency_keys
      WHERE key = $2 AND tenant_id IS NOT DISTINCT FROM $1::uuid AND created_at > statement_timestamp() - ${KEPT}`,
    [tenantId, key],
  );
  return rows[0] ?? null;
}

/** Takes the key until the transaction ends; false when somebody else has it. */
export async function lockKey(tx: Tx, tenantId: string | null, key: string): Promise<boolean> {
  const { rows } = await tx.query<{ got: boolean }>(`SELECT pg_try_advisory_xact_lock(${LOCK}) AS got`, [
    tenantId,
    key,
  ]);
  return rows[0]!.got;
}

/** The same for as long as the session lasts. */
export async function lockKeyForSession(session: Db, tenantId: string | null, key: string): Promise<boolean> {
  const { rows } = await session.query<{ got: boolean }>(`SELECT pg_try_advisory_lock(${LOCK}) AS got`, [
    tenantId,
    key,
  ]);
  return rows[0]!.got;
}

/** Keeps an answer, in place of one of more than 24 hours ago. The key must be locked, and none be kept. */
export async function keepAnswer(
  tx: Tx,
  tenantId: string | null,
  key: string,
  { id, request, answer }: KeptAnswer,
): Promise<void> {
  await tx.query(
    `INSERT INTO idempotency_keys (id, tenant_id, key, request, answer) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (key, coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'))
      DO UPDATE SET id = excluded.id, request = excluded.request, answer = excluded.answer, created_at = now()`,
    [id, tenantId, key, request, answer],
  );
}

/** Forgets what was answered more than 24 hours ago; returns how many answers those were. */
export async function deleteOldAnswers(db: Db): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM idempotency_keys WHERE created_at <= statement_timestamp() - ${KEPT}`,
  );
  return rowCount ?? 0;
}
