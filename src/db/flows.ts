import { flowOfMessage } from '../calls/flow/of-message.js';
import type { Flow as Definition } from '../calls/flow/schema.js';
import { CampanileError } from '../errors.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

/** A flow without what it does. */
export interface FlowEntry {
  id: string;
  name: string;
  /** Of the newest definition, from 1; of one that was asked for by its version, that. */
  version: number;
  created_at: Date;
  updated_at: Date;
}

/** A flow with one version of what it does. */
export interface Flow extends FlowEntry {
  definition: Definition;
}

/** A version, and how many campaigns that have not ended go by it. */
export interface FlowVersion {
  version: number;
  created_at: Date;
  campaigns: number;
}

/** So many of the newest versions are kept, beside those that campaigns use. */
export const VERSIONS_KEPT = 10;

const FLOWS = `SELECT f.id, f.name, v.version, f.created_at, f.updated_at, v.definition
  FROM flows f JOIN flow_versions v ON v.tenant_id = f.tenant_id AND v.flow_id = f.id
  WHERE f.deleted_at IS NULL AND f.tenant_id = $1 AND f.id = $2 AND v.version = coalesce($3, f.version)`;

/** The newest version, or another one that is kept. Null where there is none. */
export async function findFlowById(
  db: Db,
  tenantId: string,
  id: string,
  version: number | null = null,
): Promise<Flow | null> {
  const { rows } = await db.query<Flow>(FLOWS, [tenantId, id, version]);
  return rows[0] ?? null;
}

/** What a campaign's calls do: its flow, in the newest version where it has none yet, or that of its message. Null when it was deleted. */
export async function findFlowOf(
  db: Db,
  tenantId: string,
  campaign: { message_id: string | null; flow_id: string | null; flow_version: number | null },
): Promise<Definition | null> {
  const { message_id, flow_id, flow_version } = campaign;
  if (flow_id === null) return message_id === null ? null : flowOfMessage(message_id, null);
  return (await findFlowById(db, tenantId, flow_id, flow_version))?.definition ?? null;
}

/** As `findFlowById`; until the transaction ends the flow stays, and its versions too. */
export async function shareFlow(
  tx: Tx,
  tenantId: string,
  id: string,
  version: number | null = null,
): Promise<Flow | null> {
  await tx.query('SELECT FROM flows WHERE tenant_id = $1 AND id = $2 FOR SHARE', [tenantId, id]);
  return findFlowById(tx, tenantId, id, version);
}

export async function listFlows(db: Db, tenantId: string, page: Page): Promise<FlowEntry[]> {
  const { rows } = await db.query<FlowEntry>(
    `SELECT id, name, version, created_at, updated_at FROM flows
      WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

/** The versions of a flow that are kept, the newest first. */
export async function listFlowVersions(db: Db, tenantId: string, id: string): Promise<FlowVersion[]> {
  const { rows } = await db.query<FlowVersion>(
    `SELECT v.version, v.created_at, (SELECT count(*)::integer FROM campaigns p
        WHERE p.tenant_id = v.tenant_id AND p.flow_id = v.flow_id AND p.flow_version = v.version
          AND p.status IN ('running', 'paused')) AS campaigns
      FROM flow_versions v WHERE v.tenant_id = $1 AND v.flow_id = $2 ORDER BY v.version DESC`,
    [tenantId, id],
  );
  return rows;
}

export async function insertFlow(
  tx: Tx,
  tenantId: string,
  { id, name, definition }: { id: string; name: string; definition: Definition },
): Promise<Flow> {
  await tx.query('INSERT INTO flows (tenant_id, id, name) VALUES ($1, $2, $3)', [tenantId, id, name]);
  await insertVersion(tx, tenantId, id, 1, definition);
  return (await findFlowById(tx, tenantId, id))!;
}

/** Sets the name of a locked flow and what it does. That is a new version, unless it does what it did. */
export async function replaceFlow(
  tx: Tx,
  tenantId: string,
  found: Flow,
  { name, definition }: { name: string; definition: Definition },
): Promise<Flow> {
  const { id } = found;
  const isNew = JSON.stringify(found.definition) !== JSON.stringify(definition);
  const version = found.version + (isNew ? 1 : 0);
  if (isNew) await insertVersion(tx, tenantId, id, version, definition);
  if (isNew || name !== found.name) {
    await tx.query(
      `UPDATE flows SET name = $3, version = $4, updated_at = statement_timestamp() WHERE tenant_id = $1 AND id = $2`,
      [tenantId, id, name, version],
    );
  }
  await deleteVersions(tx, tenantId, id, version - VERSIONS_KEPT);
  return (await findFlowById(tx, tenantId, id))!;
}

/**
 * Deletes a flow. Versions that campaigns which have ended were called with stay as long as those do. False where there is none;
 * throws a CampanileError (`flow_in_use`) while campaigns that have not ended use it.
 */
export async function deleteFlow(tx: Tx, tenantId: string, id: string): Promise<boolean> {
  if (!(await lockFlow(tx, tenantId, id))) return false;
  const { rows: campaigns } = await tx.query<{ id: string; name: string }>(
    `SELECT id, name FROM campaigns WHERE tenant_id = $1 AND flow_id = $2 AND status IN ('draft', 'running', 'paused') ORDER BY id`,
    [tenantId, id],
  );
  if (campaigns.length > 0) throw inUse(campaigns);
  await tx.query('UPDATE flows SET deleted_at = statement_timestamp() WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ]);
  await deleteUnusedFlows(tx, tenantId);
  return true;
}

/** Flows that were deleted go with the last campaign that used them. */
export async function deleteUnusedFlows(db: Db, tenantId: string): Promise<void> {
  await db.query(
    `DELETE FROM flows f WHERE f.tenant_id = $1 AND f.deleted_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM campaigns p WHERE p.tenant_id = f.tenant_id AND p.flow_id = f.id)`,
    [tenantId],
  );
}

/** The flow, which nobody else changes until the transaction ends, nor takes for a campaign. Null where there is none. */
export async function lockFlow(tx: Tx, tenantId: string, id: string): Promise<Flow | null> {
  await tx.query('SELECT FROM flows WHERE tenant_id = $1 AND id = $2 FOR UPDATE', [tenantId, id]);
  return findFlowById(tx, tenantId, id);
}

async function insertVersion(
  tx: Tx,
  tenantId: string,
  id: string,
  version: number,
  definition: Definition,
): Promise<void> {
  await tx.query(
    'INSERT INTO flow_versions (tenant_id, flow_id, version, definition) VALUES ($1, $2, $3, $4)',
    [tenantId, id, version, JSON.stringify(definition)],
  );
}

/** Deletes versions up to `last` that no campaign was or is called with. */
async function deleteVersions(tx: Tx, tenantId: string, id: string, last: number): Promise<void> {
  await tx.query(
    `DELETE FROM flow_versions v WHERE v.tenant_id = $1 AND v.flow_id = $2 AND v.version <= $3
      AND NOT EXISTS (SELECT FROM campaigns p
        WHERE p.tenant_id = v.tenant_id AND p.flow_id = v.flow_id AND p.flow_version = v.version)`,
    [tenantId, id, last],
  );
}

const MOST_NAMED = 10;

function inUse(campaigns: readonly { id: string; name: string }[]): CampanileError {
  const named = campaigns.slice(0, MOST_NAMED).map(({ id, name }) => `${JSON.stringify(name)} (${id})`);
  const more = campaigns.length > MOST_NAMED ? ` and ${campaigns.length - MOST_NAMED} more` : '';
  const message = `cannot delete a flow of campaigns that have not ended: ${named.join(', ')}${more}; give them another flow_id, or cancel them`;
  return new CampanileError('flow_in_use', message);
}
