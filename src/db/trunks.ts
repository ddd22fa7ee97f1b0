import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

export interface Trunk {
  id: string;
  name: string;
  template: string;
  pbx_trunk: string;
  ports: number;
  calls_per_second: number | null;
  created_at: Date;
}

/** What the PBX calls a way out, with the limits that all tenants' trunks on it share; null is without limit. */
export interface PbxTrunk {
  name: string;
  ports: number | null;
  calls_per_second: number | null;
}

const COLUMNS = 'id, name, template, pbx_trunk, ports, calls_per_second, created_at';

export async function insertTrunk(
  db: Db,
  tenantId: string,
  trunk: Omit<Trunk, 'created_at'>,
): Promise<Trunk> {
  const { rows } = await db.query<Trunk>(
    `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports, calls_per_second)
      VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [tenantId, trunk.id, trunk.name, trunk.template, trunk.pbx_trunk, trunk.ports, trunk.calls_per_second],
  );
  return rows[0]!;
}

export async function findTrunkById(db: Db, tenantId: string, id: string): Promise<Trunk | null> {
  const { rows } = await db.query<Trunk>(`SELECT ${COLUMNS} FROM trunks WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
  ]);
  return rows[0] ?? null;
}

/** The trunk, which nobody else changes until the transaction ends. */
export async function lockTrunk(tx: Tx, tenantId: string, id: string): Promise<Trunk | null> {
  const { rows } = await tx.query<Trunk>(
    `SELECT ${COLUMNS} FROM trunks WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

export async function listTrunks(db: Db, tenantId: string, page: Page): Promise<Trunk[]> {
  const { rows } = await db.query<Trunk>(
    `SELECT ${COLUMNS} FROM trunks WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

export async function updateTrunk(db: Db, tenantId: string, trunk: Trunk): Promise<Trunk> {
  const { rows } = await db.query<Trunk>(
    `UPDATE trunks SET name = $3, template = $4, pbx_trunk = $5, ports = $6, calls_per_second = $7
      WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, trunk.id, trunk.name, trunk.template, trunk.pbx_trunk, trunk.ports, trunk.calls_per_second],
  );
  return rows[0]!;
}

/** Writes the PBX trunk down, without limits, unless it is known already. */
export async function ensurePbxTrunk(db: Db, name: string): Promise<void> {
  await db.query('INSERT INTO pbx_trunks (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', [name]);
}

export async function upsertPbxTrunk(db: Db, trunk: PbxTrunk): Promise<PbxTrunk> {
  const { rows } = await db.query<PbxTrunk>(
    `INSERT INTO pbx_trunks (name, ports, calls_per_second) VALUES ($1, $2, $3)
      ON CONFLICT (name) DO UPDATE SET ports = excluded.ports, calls_per_second = excluded.calls_per_second
      RETURNING name, ports, calls_per_second`,
    [trunk.name, trunk.ports, trunk.calls_per_second],
  );
  return rows[0]!;
}

export async function listPbxTrunks(db: Db, page: Page): Promise<PbxTrunk[]> {
  const { rows } = await db.query<PbxTrunk>(
    `SELECT name, ports, calls_per_second FROM pbx_trunks
      WHERE ($1::text IS NULL OR name > $1) ORDER BY name LIMIT $2`,
    [page.after, page.limit],
  );
  return rows;
}
