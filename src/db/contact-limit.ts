import { CONTACT_STATES } from '../calls/states.js';
import type { Db, Tx } from './pool.js';

/** A tenant's limit of contacts, and how many are stored. */
export interface ContactLimit {
  most: number;
  stored: number;
}

/**
 * How many contacts the tenant has stored, as its campaigns count them, with what this transaction has added; null without a limit.
 * From here on nobody else's are counted until it ends: of two that each would still fit, the second sees the first. To be called
 * when the contacts are added, so that whoever stores a long list keeps nobody waiting.
 */
export async function lockContactLimit(tx: Tx, tenantId: string): Promise<ContactLimit | null> {
  if ((await findContactLimit(tx, tenantId)) === null) return null;
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('contact limit ' || $1, 0))`, [tenantId]);
  return findContactLimit(tx, tenantId);
}

/** The same without waiting for anybody. */
export async function findContactLimit(db: Db, tenantId: string): Promise<ContactLimit | null> {
  const { rows } = await db.query<ContactLimit>(
    `SELECT t.max_contacts AS most, coalesce(sum(${CONTACT_STATES.map((state) => `p.${state}`).join(' + ')}), 0)::bigint AS stored
      FROM tenants t LEFT JOIN campaigns p ON p.tenant_id = t.id
      WHERE t.id = $1 AND t.max_contacts IS NOT NULL GROUP BY t.id`,
    [tenantId],
  );
  return rows[0] ?? null;
}
