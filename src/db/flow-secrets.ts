import type { Db } from './pool.js';

/** Sets what a tenant's webhook steps are signed with; a trigger keeps the one before for a day. Returns until when that signs along. */
export async function upsertFlowSecret(db: Db, tenantId: string, sealedSecret: Buffer): Promise<Date | null> {
  const { rows } = await db.query<{ old_secret_until: Date | null }>(
    `INSERT INTO flow_secrets (tenant_id, sealed_secret) VALUES ($1, $2)
      ON CONFLICT (tenant_id) DO UPDATE SET sealed_secret = $2 RETURNING old_secret_until`,
    [tenantId, sealedSecret],
  );
  return rows[0]!.old_secret_until;
}

/** Whether there is one, and until when the one before signs along. */
export async function findFlowSecretState(
  db: Db,
  tenantId: string,
): Promise<{ set: boolean; old_secret_until: Date | null }> {
  const { rows } = await db.query<{ old_secret_until: Date | null }>(
    `SELECT CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until
      FROM flow_secrets WHERE tenant_id = $1`,
    [tenantId],
  );
  return { set: rows.length > 0, old_secret_until: rows[0]?.old_secret_until ?? null };
}

/** What to sign with now, the newest first; empty where none was ever made. */
export async function findSealedFlowSecrets(db: Db, tenantId: string): Promise<Buffer[]> {
  const { rows } = await db.query<{ sealed_secret: Buffer; old: Buffer | null }>(
    `SELECT sealed_secret, CASE WHEN old_secret_until > now() THEN sealed_old_secret END AS old
      FROM flow_secrets WHERE tenant_id = $1`,
    [tenantId],
  );
  return rows.flatMap(({ sealed_secret, old }) => (old ? [sealed_secret, old] : [sealed_secret]));
}
