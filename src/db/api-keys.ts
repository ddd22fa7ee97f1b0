import type { Db } from './pool.js';
import type { Page } from './tenants.js';

/** A key by which a machine of a tenant uses the API; the key itself is stored nowhere. */
export interface ApiKey {
  id: string;
  name: string;
  role: 'tenant' | 'viewer';
  /** How the key begins. */
  prefix: string;
  created_at: Date;
  /** To the minute; null when it was never used. */
  last_used_at: Date | null;
  revoked_at: Date | null;
}

/** A key as a request finds it. */
export interface UsableKey {
  tenant_id: string;
  id: string;
  role: ApiKey['role'];
  /** Whether `last_used_at` is a minute old, or empty. */
  use_is_old: boolean;
}

const COLUMNS = 'id, name, role, prefix, created_at, last_used_at, revoked_at';
const USE_IS_OLD = "(last_used_at IS NULL OR last_used_at < now() - interval '1 minute')";

/** `sha256` is the key's, in hex. */
export async function insertApiKey(
  db: Db,
  tenantId: string,
  key: Pick<ApiKey, 'id' | 'name' | 'role' | 'prefix'> & { sha256: string },
): Promise<ApiKey> {
  const { rows } = await db.query<ApiKey>(
    `INSERT INTO api_keys (tenant_id, id, name, role, prefix, sha256)
      VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
    [tenantId, key.id, key.name, key.role, key.prefix, key.sha256],
  );
  return rows[0]!;
}

export async function findApiKeyById(db: Db, tenantId: string, id: string): Promise<ApiKey | null> {
  const { rows } = await db.query<ApiKey>(
    `SELECT ${COLUMNS} FROM api_keys WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** Revoked ones too: who looks for a leaked key by its prefix wants to see that it is revoked. */
export async function listApiKeys(db: Db, tenantId: string, page: Page): Promise<ApiKey[]> {
  const { rows } = await db.query<ApiKey>(
    `SELECT ${COLUMNS} FROM api_keys WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

/** Revokes the key, or leaves it revoked since when it was; false when the tenant has none with this id. */
export async function revokeApiKey(db: Db, tenantId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.query(
    'UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE tenant_id = $1 AND id = $2',
    [tenantId, id],
  );
  return rowCount === 1;
}

/** The key of that hash, of whichever tenant, unless it was revoked. */
export async function findApiKeyByHash(db: Db, sha256: string): Promise<UsableKey | null> {
  const { rows } = await db.query<UsableKey>(
    `SELECT tenant_id, id, role, ${USE_IS_OLD} AS use_is_old
      FROM api_keys WHERE sha256 = $1 AND revoked_at IS NULL`,
    [sha256],
  );
  return rows[0] ?? null;
}

/** Writes down that the key is in use, unless another process did within the minute. */
export async function touchApiKey(db: Db, tenantId: string, id: string): Promise<void> {
  await db.query(
    `UPDATE api_keys SET last_used_at = now() WHERE tenant_id = $1 AND id = $2 AND ${USE_IS_OLD}`,
    [tenantId, id],
  );
}
