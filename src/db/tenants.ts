import type { Db, Tx } from './pool.js';

/** What follows the id `after` (null starts at the front), at most `limit` rows. */
export interface Page {
  after: string | null;
  limit: number;
}

export interface Tenant {
  id: string;
  name: string;
  ports: number;
  calls_per_second: number | null;
  default_region: string | null;
  created_at: Date;
}

const COLUMNS = 'id, name, ports, calls_per_second, default_region, created_at';

export async function insertTenant(db: Db, tenant: Omit<Tenant, 'created_at'>): Promise<Tenant> {
  const { rows } = await db.query<Tenant>(
    `INSERT INTO tenants (id, name, ports, calls_per_second, default_region)
      VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`,
    [tenant.id, tenant.name, tenant.ports, tenant.calls_per_second, tenant.default_region],
  );
  return rows[0]!;
}

export async function findTenantById(db: Db, id: string): Promise<Tenant | null> {
  const { rows } = await db.query<Tenant>(`SELECT ${COLUMNS} FROM tenants WHERE id = $1`, [id]);
  return rows[0] ?? null;
}

/** The tenant, which nobody else changes until the transaction ends. */
export async function lockTenant(tx: Tx, id: string): Promise<Tenant | null> {
  const { rows } = await tx.query<Tenant>(`SELECT ${COLUMNS} FROM tenants WHERE id = $1 FOR NO KEY UPDATE`, [
    id,
  ]);
  return rows[0] ?? null;
}

export async function listTenants(db: Db, page: Page): Promise<Tenant[]> {
  const { rows } = await db.query<Tenant>(
    `SELECT ${COLUMNS} FROM tenants WHERE ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2`,
    [page.after, page.limit],
  );
  return rows;
}

export async function updateTenant(db: Db, tenant: Tenant): Promise<Tenant> {
  const { rows } = await db.query<Tenant>(
    `UPDATE tenants SET name = $2, ports = $3, calls_per_second = $4, default_region = $5
      WHERE id = $1 RETURNING ${COLUMNS}`,
    [tenant.id, tenant.name, tenant.ports, tenant.calls_per_second, tenant.default_region],
  );
  return rows[0]!;
}
