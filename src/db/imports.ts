import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

export type ImportFormat = 'csv' | 'ndjson';

export interface NewImport {
  id: string;
  campaign_id: string;
  name: string | null;
  format: ImportFormat;
}

/** What was counted of an upload so far. */
export interface ImportCounts {
  rows: number;
  rejected: number;
  bytes: number;
}

/** An upload of contacts as a job. */
export interface Import extends NewImport, ImportCounts {
  state: 'receiving' | 'storing' | 'completed' | 'failed';
  added: number;
  duplicates: number;
  error_code: string | null;
  error: string | null;
  created_at: Date;
  finished_at: Date | null;
}

/** A row that was not taken. */
export interface Rejection {
  line: number;
  reason: string;
  row: string;
}

const COLUMNS = `id, campaign_id, name, format, state, rows, added, duplicates, rejected, bytes, error_code, error,
  created_at, finished_at`;
const OPEN = `state IN ('receiving', 'storing')`;

/** Tells an import that is under way from one whose server was killed: held by the connection that takes its rows. */
const LOCK = (id: string) => `hashtextextended('import ' || ${id}, 0)`;

/** Holds the import's lock for as long as the session lasts. Before its row is there, lest somebody finds that first. */
export async function lockImport(session: Db, id: string): Promise<void> {
  await session.query(`SELECT pg_advisory_lock(${LOCK('$1::text')})`, [id]);
}

export async function insertImport(db: Db, tenantId: string, item: NewImport): Promise<Import> {
  const { rows } = await db.query<Import>(
    `INSERT INTO imports (tenant_id, id, campaign_id, name, format) VALUES ($1, $2, $3, $4, $5)
      RETURNING ${COLUMNS}`,
    [tenantId, item.id, item.campaign_id, item.name, item.format],
  );
  return rows[0]!;
}

export async function findImportById(db: Db, tenantId: string, id: string): Promise<Import | null> {
  const { rows } = await db.query<Import>(`SELECT ${COLUMNS} FROM imports WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
  ]);
  return rows[0] ?? null;
}

/** A campaign's imports, in the order in which they began. */
export async function listImports(
  db: Db,
  tenantId: string,
  campaignId: string,
  page: Page,
): Promise<Import[]> {
  const { rows } = await db.query<Import>(
    `SELECT ${COLUMNS} FROM imports
      WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4`,
    [tenantId, campaignId, page.after, page.limit],
  );
  return rows;
}

/** Whether an import into the campaign is being stored, for as long as which other uploads to it would wait. */
export async function isStoring(db: Db, tenantId: string, campaignId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `SELECT FROM imports WHERE tenant_id = $1 AND campaign_id = $2 AND state = 'storing' LIMIT 1`,
    [tenantId, campaignId],
  );
  return rowCount !== 0;
}

/** Writes down how far an import is. */
export async function updateImport(
  db: Db,
  tenantId: string,
  id: string,
  state: 'receiving' | 'storing',
  { rows: count, rejected, bytes }: ImportCounts,
): Promise<Import> {
  const { rows } = await db.query<Import>(
    `UPDATE imports SET state = $3, rows = $4, rejected = $5, bytes = $6
      WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, id, state, count, rejected, bytes],
  );
  return rows[0]!;
}

/** Of the rows that were not rejected, those that made no contact were duplicates. */
export async function completeImport(tx: Tx, tenantId: string, id: string, added: number): Promise<Import> {
  const { rows } = await tx.query<Import>(
    `UPDATE imports SET state = 'completed', added = $3, duplicates = rows - rejected - $3,
        finished_at = statement_timestamp()
      WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, id, added],
  );
  return rows[0]!;
}

/** Ends an import that is not over yet. */
export async function failImport(
  db: Db,
  tenantId: string,
  id: string,
  { code, message }: { code: string; message: string },
): Promise<void> {
  await db.query(
    `UPDATE imports SET state = 'failed', error_code = $3, error = $4, finished_at = statement_timestamp()
      WHERE tenant_id = $1 AND id = $2 AND ${OPEN}`,
    [tenantId, id, code, message],
  );
}

/**
 * Ends the tenant's imports whose server is gone: killed, or cut off from the database. Their rows went with the connection.
 * A lock that is got here is given back when the statement's transaction ends.
 */
export async function failAbandonedImports(db: Db, tenantId: string): Promise<void> {
  await db.query(
    `WITH open AS MATERIALIZED (SELECT id FROM imports WHERE tenant_id = $1 AND ${OPEN})
      UPDATE imports i SET state = 'failed', error_code = 'interrupted',
        error = 'the server that took the upload was interrupted: nothing was stored, upload it again',
        finished_at = statement_timestamp()
      FROM open o WHERE i.tenant_id = $1 AND i.id = o.id AND i.${OPEN} AND pg_try_advisory_xact_lock(${LOCK('o.id::text')})`,
    [tenantId],
  );
}

export async function insertRejections(
  db: Db,
  tenantId: string,
  importId: string,
  rejections: readonly Rejection[],
): Promise<void> {
  await db.query(
    `INSERT INTO import_rejections (tenant_id, import_id, line, reason, row)
      SELECT $1, $2, line, reason, row FROM json_to_recordset($3::json) AS r(line bigint, reason text, row text)`,
    [tenantId, importId, JSON.stringify(rejections)],
  );
}

/** The rejected rows behind the line `after`, at most `limit`. */
export async function listRejections(
  db: Db,
  tenantId: string,
  importId: string,
  after: number,
  limit: number,
): Promise<Rejection[]> {
  const { rows } = await db.query<Rejection>(
    `SELECT line, reason, row FROM import_rejections
      WHERE tenant_id = $1 AND import_id = $2 AND line > $3 ORDER BY line LIMIT $4`,
    [tenantId, importId, after, limit],
  );
  return rows;
}
