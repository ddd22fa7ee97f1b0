import type { RetryRules } from '../../src/calls/retry.js';
import type { Pool } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';

export interface TenantFixture {
  tenantId: string;
  trunkId: string;
  messageId: string;
  pbxTrunk: string;
}

/** A tenant with one trunk on the PBX trunk `pbxTrunk`, and one message (half a second of silence unless given). */
export async function insertTenantFixture(
  pool: Pool,
  options: {
    ports?: number;
    rate?: number;
    trunkPorts?: number;
    trunkRate?: number;
    pbxTrunk?: string;
    template?: string;
    audio?: Buffer;
    sha256?: string;
  } = {},
): Promise<TenantFixture> {
  const fixture = {
    tenantId: newId(),
    trunkId: newId(),
    messageId: newId(),
    pbxTrunk: options.pbxTrunk ?? 'far',
  };
  await pool.query('INSERT INTO tenants (id, name, ports, calls_per_second) VALUES ($1, $2, $3, $4)', [
    fixture.tenantId,
    `tenant ${fixture.tenantId}`,
    options.ports ?? 100,
    options.rate ?? null,
  ]);
  await pool.query('INSERT INTO pbx_trunks (name) VALUES ($1) ON CONFLICT DO NOTHING', [fixture.pbxTrunk]);
  await pool.query(
    `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports, calls_per_second)
      VALUES ($1, $2, 'trunk', $3, $4, $5, $6)`,
    [
      fixture.tenantId,
      fixture.trunkId,
      options.template ?? 'direct',
      fixture.pbxTrunk,
      options.trunkPorts ?? 1000,
      options.trunkRate ?? null,
    ],
  );
  await pool.query(
    `INSERT INTO messages (tenant_id, id, name, sha256, audio, seconds) VALUES ($1, $2, 'message', $3, $4, 0.5)`,
    [
      fixture.tenantId,
      fixture.messageId,
      options.sha256 ?? '0'.repeat(64),
      options.audio ?? Buffer.from('audio'),
    ],
  );
  return fixture;
}

/** A running campaign of `tenant` with a contact for each number; returns its id. */
export async function insertCampaignFixture(
  pool: Pool,
  tenant: TenantFixture,
  numbers: readonly string[],
  options: {
    ports?: number;
    rate?: number;
    weight?: number;
    retry?: RetryRules;
    maxAttempts?: number;
    ringSeconds?: number;
    status?: string;
    callerId?: string;
  } = {},
): Promise<string> {
  const id = newId();
  await pool.query(
    `INSERT INTO campaigns (tenant_id, id, name, status, trunk_id, message_id, ports, calls_per_second, weight,
        ring_seconds, retry, max_attempts, caller_id, started_at)
      VALUES ($1, $2, 'campaign', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())`,
    [
      tenant.tenantId,
      id,
      options.status ?? 'running',
      tenant.trunkId,
      tenant.messageId,
      options.ports ?? null,
      options.rate ?? null,
      options.weight ?? 1,
      options.ringSeconds ?? 30,
      JSON.stringify(options.retry ?? {}),
      options.maxAttempts ?? 5,
      options.callerId ?? null,
    ],
  );
  await pool.query(
    `INSERT INTO contacts (tenant_id, id, campaign_id, number)
      SELECT $1, id, $2, number FROM unnest($3::uuid[], $4::text[]) AS n(id, number)`,
    [tenant.tenantId, id, numbers.map(() => newId()), numbers],
  );
  return id;
}

/** `count` different numbers whose last three digits are `code`: what the far end does with them. */
export function numbersFor(code: string, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `+1212${2000 + from + i}${code}`);
}

/** A campaign's counters as they are kept, next to what a count of its contacts gives. */
export async function countersOf(
  pool: Pool,
  campaignId: string,
): Promise<{ kept: Record<string, number>; counted: Record<string, number> }> {
  const states = [
    'pending',
    'calling',
    'retrying',
    'answered',
    'busy',
    'no_answer',
    'failed',
    'invalid',
    'suppressed',
    'cancelled',
    'expired',
  ];
  const { rows: kept } = await pool.query(
    `SELECT ${states.join(', ')}, attempts FROM campaigns WHERE id = $1`,
    [campaignId],
  );
  const { rows: counted } = await pool.query(
    `SELECT ${states.map((s) => `count(*) FILTER (WHERE state = '${s}') AS ${s}`).join(', ')},
        coalesce(sum(attempts), 0)::bigint AS attempts
      FROM contacts WHERE campaign_id = $1`,
    [campaignId],
  );
  return { kept: kept[0], counted: counted[0] };
}
