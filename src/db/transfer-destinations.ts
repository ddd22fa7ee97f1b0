import type { DestinationKind } from '../calls/flow/transfer.js';
import { CampanileError } from '../errors.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

/** Where a flow may pass a call on to. */
export interface NewTransferDestination {
  id: string;
  name: string;
  kind: DestinationKind;
  /** A number in E.164 form, or the name of an extension or a queue. */
  target: string;
  /** What a number is dialled over; null: the trunk that the call itself is on. */
  trunk_id: string | null;
  /** Calls there at once. */
  ports: number;
}

export interface TransferDestination extends NewTransferDestination {
  /** Calls that ring or talk there now. */
  ports_in_use: number;
  created_at: Date;
}

/** Transfers `t` that hold a port: a crash leaks none, because an attempt that has ended frees it. */
export const HOLDS_A_PORT = `t.ended_at IS NULL
  AND EXISTS (SELECT FROM attempts a WHERE a.tenant_id = t.tenant_id AND a.id = t.attempt_id AND a.state = 'open')`;

const COLUMNS = `d.id, d.name, d.kind, d.target, d.trunk_id, d.ports, d.created_at,
  (SELECT count(*)::integer FROM transfers t WHERE t.destination_id = d.id AND t.tenant_id = d.tenant_id AND ${HOLDS_A_PORT})
    AS ports_in_use`;

function valuesOf(tenantId: string, destination: NewTransferDestination): unknown[] {
  const { id, name, kind, target, trunk_id, ports } = destination;
  return [tenantId, id, name, kind, target, trunk_id, ports];
}

export async function insertTransferDestination(
  db: Db,
  tenantId: string,
  destination: NewTransferDestination,
): Promise<void> {
  await db.query(
    `INSERT INTO transfer_destinations (tenant_id, id, name, kind, target, trunk_id, ports)
      VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    valuesOf(tenantId, destination),
  );
}

export async function findTransferDestination(
  db: Db,
  tenantId: string,
  id: string,
): Promise<TransferDestination | null> {
  const { rows } = await db.query<TransferDestination>(
    `SELECT ${COLUMNS} FROM transfer_destinations d WHERE d.tenant_id = $1 AND d.id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/**
 * Those of the ids that are no destinations of the tenant. In a transaction the others cannot be deleted until it ends, such as
 * one that gives them to a campaign.
 */
export async function listUnknownDestinations(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.query<{ id: string }>(
    'SELECT id FROM transfer_destinations WHERE tenant_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR KEY SHARE',
    [tenantId, ids],
  );
  const found = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !found.has(id));
}

/** The destination, which nobody else changes until the transaction ends; null also where the tenant may not change it. */
export async function lockTransferDestination(
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<TransferDestination | null> {
  const { rows } = await tx.query<TransferDestination>(
    `SELECT ${COLUMNS} FROM transfer_destinations d WHERE d.tenant_id = $1 AND d.id = $2 FOR UPDATE OF d`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

export async function listTransferDestinations(
  db: Db,
  tenantId: string,
  page: Page,
): Promise<TransferDestination[]> {
  const { rows } = await db.query<TransferDestination>(
    `SELECT ${COLUMNS} FROM transfer_destinations d
      WHERE d.tenant_id = $1 AND ($2::uuid IS NULL OR d.id > $2) ORDER BY d.id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

export async function updateTransferDestination(
  db: Db,
  tenantId: string,
  destination: NewTransferDestination,
): Promise<void> {
  await db.query(
    `UPDATE transfer_destinations SET name = $3, kind = $4, target = $5, trunk_id = $6, ports = $7
      WHERE tenant_id = $1 AND id = $2`,
    valuesOf(tenantId, destination),
  );
}

/** Deletes a destination that the transaction has locked. Throws a CampanileError (`destination_in_use`) while it is needed. */
export async function deleteTransferDestination(tx: Tx, tenantId: string, id: string): Promise<void> {
  const { rows } = await tx.query<{ id: string; name: string }>(
    `SELECT p.id, p.name FROM campaigns p
      JOIN flows f ON f.tenant_id = p.tenant_id AND f.id = p.flow_id
      JOIN flow_versions v ON v.tenant_id = f.tenant_id AND v.flow_id = f.id AND v.version = coalesce(p.flow_version, f.version)
      WHERE p.tenant_id = $1 AND p.status IN ('draft', 'running', 'paused')
        AND EXISTS (SELECT FROM json_each(v.definition -> 'steps') AS s(name, step)
          WHERE s.step ->> 'type' = 'transfer' AND s.step ->> 'destination' = $2)
      ORDER BY p.id`,
    [tenantId, id],
  );
  if (rows.length > 0) throw inUse(rows);
  await tx.query('DELETE FROM transfer_destinations WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
}

const MOST_NAMED = 10;

function inUse(campaigns: readonly { id: string; name: string }[]): CampanileError {
  const named = campaigns.slice(0, MOST_NAMED).map(({ id, name }) => `${JSON.stringify(name)} (${id})`);
  const more = campaigns.length > MOST_NAMED ? ` and ${campaigns.length - MOST_NAMED} more` : '';
  return new CampanileError(
    'destination_in_use',
    `cannot delete a destination of campaigns that have not ended: ${named.join(', ')}${more}; give them another flow, or cancel them`,
  );
}
