import type { Pool } from '../../src/db/pool.js';

/**
 * How many rows name a tenant, by table; tables without any are left out. Every column of every table is looked at, but for the
 * fact of its deletion.
 */
export async function rowsOfTenant(pool: Pool, tenantId: string): Promise<Record<string, number>> {
  const { rows: columns } = await pool.query<{ table: string; column: string }>(
    `SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c
      JOIN information_schema.tables t USING (table_schema, table_name)
      WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name <> 'deleted_tenants'
        AND (c.table_name, c.column_name) <> ('audit_log', 'object_id')`,
  );
  const found: Record<string, number> = {};
  for (const { table, column } of columns) {
    const { rows } = await pool.query(
      `SELECT count(*)::integer AS n FROM ${table} WHERE "${column}"::text LIKE '%' || $1 || '%'`,
      [tenantId],
    );
    if (rows[0].n > 0) found[table] = (found[table] ?? 0) + rows[0].n;
  }
  return found;
}
