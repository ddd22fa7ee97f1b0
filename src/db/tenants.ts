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
  /** IANA: of calling windows that name none. */
  time_zone: string | null;
  /** Over all campaigns; null is without limit. */
  max_contacts: number | null;
  /** Of the API; null is without limit. */
  requests_per_minute: number | null;
  /** Attempts at one number over all campaigns, in any 24 hours and any 30 days; null is without a cap. */
  frequency_caps: { per_day: number | null; per_30_days: number | null };
  /** For how long a number is not called after a call that was answered and silent; 0 is not at all. */
  silent_call_lockout_hours: number;
  /** After how many days recordings are deleted; null: never. */
  recordings_days: number | null;
  /** It places no call and may not use the API. */
  suspended: boolean;
  /** It is suspended as well, and will be gone. */
  deleting_since: Date | null;
  created_at: Date;
}

/** What a tenant is made of. */
export type NewTenant = Omit<Tenant, 'created_at' | 'deleting_since'>;

const COLUMNS = `id, name, ports, calls_per_second, default_region, time_zone, max_contacts, requests_per_minute,
  json_build_object('per_day', attempts_per_day, 'per_30_days', attempts_per_30_days) AS frequency_caps,
  silent_call_lockout_hours, recordings_days, suspended, deleting_since, created_at`;

export async function insertTenant(db: Db, tenant: NewTenant): Promise<Tenant> {
  const { rows } = await db.query<Tenant>(
    `INSERT INTO tenants (id, name, ports, calls_per_second, default_region, time_zone, max_contacts,
        requests_per_minute, suspended, attempts_per_day, attempts_per_30_days, silent_call_lockout_hours, recordings_days)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING ${COLUMNS}`,
    valuesOf(tenant),
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

export async function updateTenant(db: Db, tenant: NewTenant): Promise<Tenant> {
  const { rows } = await db.query<Tenant>(
    `UPDATE tenants SET name = $2, ports = $3, calls_per_second = $4, default_region = $5, time_zone = $6,
        max_contacts = $7, requests_per_minute = $8, suspended = $9, attempts_per_day = $10,
        attempts_per_30_days = $11, silent_call_lockout_hours = $12, recordings_days = $13
      WHERE id = $1 RETURNING ${COLUMNS}`,
    valuesOf(tenant),
  );
  return rows[0]!;
}

/** As $1 to $13 of the statements that write. */
function valuesOf(tenant: NewTenant): unknown[] {
  return [
    tenant.id,
    tenant.name,
    tenant.ports,
    tenant.calls_per_second,
    tenant.default_region,
    tenant.time_zone,
    tenant.max_contacts,
    tenant.requests_per_minute,
    tenant.suspended,
    tenant.frequency_caps.per_day,
    tenant.frequency_caps.per_30_days,
    tenant.silent_call_lockout_hours,
    tenant.recordings_days,
  ];
}
