import { flowDefinition } from '../../src/calls/flow/schema.js';
import type { Pool } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import { insertCampaignFixture, type TenantFixture } from './campaigns.js';

/** A running campaign whose calls walk a flow, which is given without its defaults; returns the campaign's id. */
export async function insertFlowCampaign(
  pool: Pool,
  tenant: TenantFixture,
  definition: unknown,
  numbers: readonly string[],
  options: Parameters<typeof insertCampaignFixture>[3] = {},
): Promise<string> {
  const id = await insertCampaignFixture(pool, tenant, numbers, { ...options, status: 'draft' });
  const flowId = newId();
  await pool.query(`INSERT INTO flows (tenant_id, id, name) VALUES ($1, $2, 'flow')`, [
    tenant.tenantId,
    flowId,
  ]);
  await pool.query(
    `INSERT INTO flow_versions (tenant_id, flow_id, version, definition) VALUES ($1, $2, 1, $3)`,
    [tenant.tenantId, flowId, JSON.stringify(flowDefinition.parse(definition))],
  );
  await pool.query(
    `UPDATE campaigns SET message_id = NULL, flow_id = $2, flow_version = 1, status = $3 WHERE id = $1`,
    [id, flowId, options.status ?? 'running'],
  );
  return id;
}

/** Where calls of `tenant` are passed on to; returns its id. */
export async function insertDestination(
  pool: Pool,
  tenant: TenantFixture,
  options: {
    kind?: 'number' | 'extension' | 'queue';
    target: string;
    ports?: number;
    trunkId?: string | null;
  },
): Promise<string> {
  const id = newId();
  await pool.query(
    `INSERT INTO transfer_destinations (tenant_id, id, name, kind, target, trunk_id, ports)
      VALUES ($1, $2, 'staff', $3, $4, $5, $6)`,
    [
      tenant.tenantId,
      id,
      options.kind ?? 'number',
      options.target,
      options.trunkId ?? null,
      options.ports ?? 10,
    ],
  );
  return id;
}
