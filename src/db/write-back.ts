import { callIdOf, parseCallId } from '../calls/call-id.js';
import type { Tx } from './pool.js';

/** An attempt that a node knows of and the database does not. */
export interface KnownAttempt {
  callId: string;
  contactId: string;
  trunkId: string;
  pbxTrunk: string;
  /** When it was claimed. */
  at: Date;
}

/**
 * Opens attempts that `node` had made before the database was restored from a copy that does not have them; the transaction
 * must have its turn (src/db/turn.ts). Only of contacts that would be called again, those that are pending or retrying, and of those
 * that were cancelled with their campaign since the copy was put in place.
 * Returns the call ids of these attempts.
 */
export async function writeBackAttempts(
  tx: Tx,
  node: string,
  attempts: readonly KnownAttempt[],
): Promise<Set<string>> {
  const ids = attempts.map(({ callId }) => parseCallId(callId)!);
  const contacts = [ids.map((i) => i.tenantId), attempts.map((a) => a.contactId)];
  await tx.query(
    `SELECT FROM campaigns WHERE (tenant_id, id) IN (
        SELECT c.tenant_id, c.campaign_id FROM contacts c
        JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id) USING (tenant_id, id))
      ORDER BY tenant_id, id FOR NO KEY UPDATE`,
    contacts,
  );
  const { rows } = await tx.query<{ tenant_id: string; id: string }>(
    `WITH known AS (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[])
          AS k(tenant_id, contact_id, attempt_id, trunk_id, pbx_trunk, claimed_at)
      ), taken AS (
        UPDATE contacts c SET state = 'calling', attempts = c.attempts + 1, updated_at = statement_timestamp()
        FROM known k WHERE c.tenant_id = k.tenant_id AND c.id = k.contact_id
          AND (c.state IN ('pending', 'retrying') OR c.state = 'cancelled' AND EXISTS (SELECT FROM campaigns p
            WHERE p.tenant_id = c.tenant_id AND p.id = c.campaign_id AND p.status = 'cancelled'))
        RETURNING c.tenant_id, c.id, c.campaign_id, c.number, c.attempts
      )
      INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal, test, claimed_at)
      SELECT t.tenant_id, k.attempt_id, t.campaign_id, t.id, k.trunk_id, k.pbx_trunk, $7, t.number, t.attempts, p.test, k.claimed_at
      FROM taken t
      JOIN known k ON k.tenant_id = t.tenant_id AND k.contact_id = t.id
      JOIN campaigns p ON p.tenant_id = t.tenant_id AND p.id = t.campaign_id
      RETURNING tenant_id, id`,
    [
      ...contacts,
      ids.map((i) => i.attemptId),
      attempts.map((a) => a.trunkId),
      attempts.map((a) => a.pbxTrunk),
      attempts.map((a) => a.at),
      node,
    ],
  );
  return new Set(rows.map((row) => callIdOf(row.tenant_id, row.id)));
}
