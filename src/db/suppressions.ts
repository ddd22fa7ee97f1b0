import type { Db } from './pool.js';
import type { Page } from './tenants.js';

/** A list of numbers that a tenant never calls. */
export interface SuppressionList {
  id: string;
  name: string;
  /** The day that the list is of, `2026-11-21`. */
  as_of: string;
  /** Campanile keeps it: those who pressed the opt-out key. It is always of today. */
  opt_outs: boolean;
  numbers: number;
  created_at: Date;
}

export interface SuppressedNumber {
  /** E.164. */
  number: string;
  added_at: Date;
}

const COLUMNS = `id, name, CASE WHEN opt_outs THEN (now() AT TIME ZONE 'UTC')::date ELSE as_of END AS as_of, opt_outs, created_at,
  (SELECT count(*) FROM suppressed_numbers n WHERE n.tenant_id = l.tenant_id AND n.list_id = l.id) AS numbers`;

export async function insertSuppressionList(
  db: Db,
  tenantId: string,
  list: { id: string; name: string; as_of: string },
): Promise<SuppressionList> {
  const { rows } = await db.query<SuppressionList>(
    `INSERT INTO suppression_lists AS l (tenant_id, id, name, as_of) VALUES ($1, $2, $3, $4) RETURNING ${COLUMNS}`,
    [tenantId, list.id, list.name, list.as_of],
  );
  return rows[0]!;
}

export async function findSuppressionListById(
  db: Db,
  tenantId: string,
  id: string,
): Promise<SuppressionList | null> {
  const { rows } = await db.query<SuppressionList>(
    `SELECT ${COLUMNS} FROM suppression_lists l WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

export async function listSuppressionLists(db: Db, tenantId: string, page: Page): Promise<SuppressionList[]> {
  const { rows } = await db.query<SuppressionList>(
    `SELECT ${COLUMNS} FROM suppression_lists l
      WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

/** Changes what is given, and returns the list; null when there is none. */
export async function updateSuppressionList(
  db: Db,
  tenantId: string,
  id: string,
  changes: { name?: string | undefined; as_of?: string | undefined },
): Promise<SuppressionList | null> {
  const { rows } = await db.query<SuppressionList>(
    `UPDATE suppression_lists l SET name = coalesce($3, name), as_of = coalesce($4, as_of)
      WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, id, changes.name ?? null, changes.as_of ?? null],
  );
  return rows[0] ?? null;
}

/** Whether there was such a list. Its numbers may be called again, unless they are on another one. */
export async function deleteSuppressionList(db: Db, tenantId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.query('DELETE FROM suppression_lists WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ]);
  return rowCount === 1;
}

/** Names of the tenant's lists that are more than `days` old; null when it has no list at all. */
export async function findOldSuppressionLists(
  db: Db,
  tenantId: string,
  days: number,
): Promise<string[] | null> {
  const { rows } = await db.query<{ lists: number; old: string[] }>(
    `SELECT count(*) AS lists,
        coalesce(array_agg(name ORDER BY name) FILTER (WHERE NOT opt_outs AND as_of < (now() AT TIME ZONE 'UTC')::date - $2::integer), '{}')
          AS old
      FROM suppression_lists WHERE tenant_id = $1`,
    [tenantId, days],
  );
  return rows[0]!.lists === 0 ? null : rows[0]!.old;
}

/** Puts numbers (E.164) on a list; returns how many it did not have. */
export async function addSuppressedNumbers(
  db: Db,
  tenantId: string,
  listId: string,
  numbers: readonly string[],
): Promise<number> {
  const { rowCount } = await db.query(
    `INSERT INTO suppressed_numbers (tenant_id, list_id, number)
      SELECT $1, $2, number FROM json_array_elements_text($3::json) AS n(number) ORDER BY number
      ON CONFLICT DO NOTHING`,
    [tenantId, listId, JSON.stringify(numbers)],
  );
  return rowCount ?? 0;
}

/** The numbers of a list in their order, those that follow `after` (null starts at the front). */
export async function listSuppressedNumbers(
  db: Db,
  tenantId: string,
  listId: string,
  page: Page,
): Promise<SuppressedNumber[]> {
  const { rows } = await db.query<SuppressedNumber>(
    `SELECT number, added_at FROM suppressed_numbers
      WHERE tenant_id = $1 AND list_id = $2 AND ($3::text IS NULL OR number > $3) ORDER BY number LIMIT $4`,
    [tenantId, listId, page.after, page.limit],
  );
  return rows;
}

/** Whether the number was on the list. */
export async function deleteSuppressedNumber(
  db: Db,
  tenantId: string,
  listId: string,
  number: string,
): Promise<boolean> {
  const { rowCount } = await db.query(
    'DELETE FROM suppressed_numbers WHERE tenant_id = $1 AND list_id = $2 AND number = $3',
    [tenantId, listId, number],
  );
  return rowCount === 1;
}

/** Puts numbers (E.164) on the list that holds for every tenant; returns how many it did not have. */
export async function addInstallationSuppressions(db: Db, numbers: readonly string[]): Promise<number> {
  const { rowCount } = await db.query(
    `INSERT INTO installation_suppressions (number)
      SELECT number FROM json_array_elements_text($1::json) AS n(number) ORDER BY number ON CONFLICT DO NOTHING`,
    [JSON.stringify(numbers)],
  );
  return rowCount ?? 0;
}

export async function listInstallationSuppressions(db: Db, page: Page): Promise<SuppressedNumber[]> {
  const { rows } = await db.query<SuppressedNumber>(
    `SELECT number, added_at FROM installation_suppressions
      WHERE $1::text IS NULL OR number > $1 ORDER BY number LIMIT $2`,
    [page.after, page.limit],
  );
  return rows;
}

export async function deleteInstallationSuppression(db: Db, number: string): Promise<boolean> {
  const { rowCount } = await db.query('DELETE FROM installation_suppressions WHERE number = $1', [number]);
  return rowCount === 1;
}
