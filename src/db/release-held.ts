import { notifyDue } from './campaigns.js';
import { type Pool, type Tx, transaction } from './pool.js';
import { waitForTurn } from './turn.js';

const AT_ONCE = 10_000;

/**
 * Lets the contacts of a tenant that frequency caps or silent calls hold be due now, because the rules have changed: those that
 * the new rules hold as well are held again by the next claim. When it is cut off, the others wait as they did.
 */
export async function releaseHeldContacts(pool: Pool, tenantId: string): Promise<void> {
  for (let released = AT_ONCE; released === AT_ONCE; ) {
    released = await transaction(pool, (tx) => release(tx, tenantId));
  }
}

async function release(tx: Tx, tenantId: string): Promise<number> {
  await waitForTurn(tx);
  const { rows } = await tx.query<{ id: string }>(
    `SELECT p.id FROM campaigns p WHERE p.tenant_id = $1
        AND EXISTS (SELECT FROM contacts c WHERE c.campaign_id = p.id AND c.tenant_id = p.tenant_id
          AND c.held_for IS NOT NULL AND c.state IN ('pending', 'retrying'))
      ORDER BY p.tenant_id, p.id FOR NO KEY UPDATE`,
    [tenantId],
  );
  const { rowCount } = await tx.query(
    `WITH held AS MATERIALIZED (
        SELECT tenant_id, id FROM contacts
        WHERE tenant_id = $1 AND campaign_id = ANY($2::uuid[]) AND held_for IS NOT NULL
          AND state IN ('pending', 'retrying') LIMIT $3
      )
      UPDATE contacts c SET held_for = NULL, due_at = least(c.due_at, statement_timestamp())
      FROM held h WHERE c.tenant_id = h.tenant_id AND c.id = h.id`,
    [tenantId, rows.map(({ id }) => id), AT_ONCE],
  );
  if (rowCount) await notifyDue(tx);
  return rowCount ?? 0;
}
