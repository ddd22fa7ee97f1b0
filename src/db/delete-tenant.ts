import { callIdOf } from '../calls/call-id.js';
import { type Db, type Pool, type Tx, transaction } from './pool.js';
import { findTenantById, type Tenant } from './tenants.js';
import { waitForTurn } from './turn.js';

/** So many rows are deleted in a fraction of a second; a million at once would take longer than a statement may. */
const AT_ONCE = 10_000;

/** Nodes say every 10 s that they are alive. One that has been silent for longer than any call lasts keeps no tenant. */
const NODE_IS_GONE = `interval '15 minutes'`;

/** After that no call is waited for, whatever keeps it from ending: an Asterisk that is down for good, for example. */
const LONGEST_WAIT = `interval '1 hour'`;

/**
 * Begins to delete a tenant: from the commit on it is suspended, its campaigns are cancelled, and the nodes take its calls back
 * (src/node/delete-tenants.ts). Asked for again it goes on as it was. Null when there is no such tenant.
 */
export async function beginTenantDeletion(tx: Tx, id: string): Promise<Tenant | null> {
  // Several campaigns are locked.
  await waitForTurn(tx);
  const { rowCount } = await tx.query(
    `UPDATE tenants SET suspended = true, deleting_since = coalesce(deleting_since, statement_timestamp()) WHERE id = $1`,
    [id],
  );
  if (rowCount === 0) return null;
  // Nothing can be added to them any more, and no contact is tried again.
  await tx.query(
    `UPDATE campaigns SET status = 'cancelled', ended_at = statement_timestamp()
      WHERE tenant_id = $1 AND status IN ('draft', 'running', 'paused')`,
    [id],
  );
  await tx.query(`SELECT pg_notify('campanile_cancelled', $1), pg_notify('campanile_tenants', $1)`, [id]);
  return findTenantById(tx, id);
}

/** Tenants that are to be deleted, the first asked for first. */
export async function listDeletingTenants(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    'SELECT id FROM tenants WHERE deleting_since IS NOT NULL ORDER BY deleting_since, id',
  );
  return rows.map(({ id }) => id);
}

/** The calls of these tenants that a node has open. */
export async function listCallsOf(db: Db, tenantIds: readonly string[], node: string): Promise<string[]> {
  const { rows } = await db.query<{ tenant_id: string; id: string }>(
    `SELECT tenant_id, id FROM attempts WHERE state = 'open' AND node = $2 AND tenant_id = ANY($1::uuid[])`,
    [tenantIds, node],
  );
  return rows.map(({ tenant_id, id }) => callIdOf(tenant_id, id));
}

/**
 * Deletes every row of a tenant whose calls are over, piece by piece, and the tenant last; cut off at any moment, it goes on when
 * called again. False when calls are up, on a node that is not gone, or another node is at it.
 */
export async function deleteTenant(pool: Pool, id: string): Promise<boolean> {
  if (await hasCalls(pool, id)) return false;
  await deletePace(pool, id);
  for (const piece of await piecesOf(pool)) {
    for (let deleted = AT_ONCE; deleted === AT_ONCE; ) {
      const rows = await alone(pool, id, async (tx) => (await tx.query(piece, [id])).rowCount ?? 0);
      if (rows === null) return false;
      deleted = rows;
    }
  }
  return (await alone(pool, id, (tx) => deleteLast(tx, id))) ?? false;
}

async function hasCalls(db: Db, id: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `SELECT FROM attempts a JOIN nodes n ON n.name = a.node JOIN tenants t ON t.id = a.tenant_id
      WHERE a.state = 'open' AND a.tenant_id = $1 AND n.seen_at > statement_timestamp() - ${NODE_IS_GONE}
        AND coalesce(t.deleting_since, statement_timestamp()) > statement_timestamp() - ${LONGEST_WAIT} LIMIT 1`,
    [id],
  );
  return rowCount !== 0;
}

/** Two nodes that delete the same rows would only wait for one another. Null when somebody else is at it. */
function alone<T>(pool: Pool, id: string, work: (tx: Tx) => Promise<T>): Promise<T | null> {
  return transaction(pool, async (tx) => {
    const { rows } = await tx.query<{ got: boolean }>(
      `SELECT pg_try_advisory_xact_lock(hashtextextended('delete tenant ' || $1, 0)) AS got`,
      [id],
    );
    return rows[0]!.got ? work(tx) : null;
  });
}

/** Before the campaigns and trunks, by which alone it is known. In a turn: no claim that saw the tenant is under way then. */
async function deletePace(pool: Pool, id: string): Promise<void> {
  await transaction(pool, async (tx) => {
    await waitForTurn(tx);
    await tx.query(
      `DELETE FROM pace WHERE (scope, id) IN (
          SELECT kind || scope, id FROM (VALUES (''), ('test ')) AS k(kind) CROSS JOIN (
            SELECT 'tenant', $1::text
            UNION ALL SELECT 'campaign', id::text FROM campaigns WHERE tenant_id = $1::uuid
            UNION ALL SELECT 'trunk', id::text FROM trunks WHERE tenant_id = $1::uuid
            UNION ALL SELECT 'pbx_trunk', 'campanile-' || id FROM trunks WHERE tenant_id = $1::uuid) AS s(scope, id))`,
      [id],
    );
  });
}

/** Tables whose primary key does not begin with the tenant: how its rows are found all the same. */
const FOUND_BY: Readonly<Record<string, string>> = {
  suppressed_numbers: 'list_id IN (SELECT id FROM suppression_lists WHERE tenant_id = $1)',
  campaign_trunks: 'campaign_id IN (SELECT id FROM campaigns WHERE tenant_id = $1)',
  trunk_slices: 'trunk_id IN (SELECT id FROM trunks WHERE tenant_id = $1)',
  campaign_zones: 'campaign_id IN (SELECT id FROM campaigns WHERE tenant_id = $1)',
};

/** Statements that each delete some rows of the tenant $1, those that others refer to last: of every table there is. */
async function piecesOf(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ name: string; refers_to: string[] }>(
    `SELECT c.relname AS name, coalesce(array_agg(f.confrelid::regclass::text) FILTER (WHERE f.oid IS NOT NULL), '{}') AS refers_to
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
      LEFT JOIN pg_constraint f ON f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' GROUP BY c.relname ORDER BY 1`,
  );
  const left = new Map(rows.map(({ name, refers_to }) => [name, refers_to]));
  const ordered: string[] = [];
  while (left.size > 0) {
    const free = [...left.keys()].filter(
      (name) => ![...left.values()].some((others) => others.includes(name)),
    );
    if (free.length === 0) throw new Error(`tables refer to each other in a circle: ${[...left.keys()]}`);
    for (const name of free) left.delete(name);
    ordered.push(...free);
  }
  return ordered.map(
    (name) => `DELETE FROM ${name} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ${name} WHERE tenant_id = $1 AND ${FOUND_BY[name] ?? 'true'} LIMIT ${AT_ONCE}))`,
  );
}

/** The tenant itself, and with it whatever came in since its tables were looked through. */
async function deleteLast(tx: Tx, id: string): Promise<boolean> {
  await waitForTurn(tx);
  await tx.query('DELETE FROM tenants WHERE id = $1', [id]);
  // What the PBX calls a SIP account, which no trunk is any more.
  await tx.query(
    `DELETE FROM pbx_trunks p WHERE name ~ '^campanile-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      AND NOT EXISTS (SELECT FROM trunks t WHERE t.pbx_trunk = p.name)`,
  );
  await tx.query('INSERT INTO deleted_tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [id]);
  await tx.query(`SELECT pg_notify('campanile_tenants', $1)`, [id]);
  return true;
}

/** Tenants that were deleted after `since`, and when the last of them was. */
export async function listDeletedTenants(db: Db, since: Date): Promise<{ id: string; deleted_at: Date }[]> {
  const { rows } = await db.query<{ id: string; deleted_at: Date }>(
    'SELECT id, deleted_at FROM deleted_tenants WHERE deleted_at > $1 ORDER BY deleted_at',
    [since],
  );
  return rows;
}
