import type { Db } from './pool.js';
import type { Page } from './tenants.js';

/** One change that was made over the API. */
export interface AuditEntry {
  id: string;
  tenant_id: string | null;
  at: Date;
  role: string;
  subject: string | null;
  key_id: string | null;
  action: string;
  object_id: string | null;
  request: unknown;
}

export async function insertAuditEntry(db: Db, entry: Omit<AuditEntry, 'at'>): Promise<void> {
  await db.query(
    `INSERT INTO audit_log (id, tenant_id, role, subject, key_id, action, object_id, request)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      entry.id,
      entry.tenant_id,
      entry.role,
      entry.subject,
      entry.key_id,
      entry.action,
      entry.object_id,
      JSON.stringify(entry.request),
    ],
  );
}

const COLUMNS = 'id, tenant_id, at, role, subject, key_id, action, object_id, request';

/** A tenant's entries, the oldest first. */
export async function listAuditEntries(db: Db, tenantId: string, page: Page): Promise<AuditEntry[]> {
  const { rows } = await db.query<AuditEntry>(
    `SELECT ${COLUMNS} FROM audit_log
      WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

/** The entries that are of no tenant, the oldest first. */
export async function listInstallationAudit(db: Db, page: Page): Promise<AuditEntry[]> {
  const { rows } = await db.query<AuditEntry>(
    `SELECT ${COLUMNS} FROM audit_log
      WHERE tenant_id IS NULL AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2`,
    [page.after, page.limit],
  );
  return rows;
}
