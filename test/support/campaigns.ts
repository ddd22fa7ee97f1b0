import type { Happened } from '../../src/calls/flow/happened.js';
import { flowDefinition } from '../../src/calls/flow/schema.js';
import type { MachineDetection, MachineVerdict } from '../../src/calls/machine.js';
import type { RetryRules } from '../../src/calls/retry.js';
import { CONTACT_STATES } from '../../src/calls/states.js';
import type { Pool } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import { until } from '../../src/lab/condition.js';

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
    /** The same in the other formats; without them there is the WAV file alone. */
    encoded?: { ulaw: Buffer; alaw: Buffer; g722: Buffer };
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
    `WITH sound AS (INSERT INTO sounds (tenant_id, sha256, wav, seconds, ulaw, alaw, g722)
        VALUES ($1, $3, $4, $5, $6, $7, $8))
      INSERT INTO messages (tenant_id, id, name, sha256, seconds) VALUES ($1, $2, 'message', $3, $5)`,
    [
      fixture.tenantId,
      fixture.messageId,
      options.sha256 ?? '0'.repeat(64),
      options.audio ?? Buffer.from('audio'),
      // Behind 44 bytes of header there are 16,000 a second.
      options.audio ? (options.audio.length - 44) / 16_000 : 0.5,
      ...[options.encoded?.ulaw, options.encoded?.alaw, options.encoded?.g722],
    ],
  );
  return fixture;
}

/** Another trunk of `tenant`, as what a campaign takes. */
export async function insertTrunkFixture(
  pool: Pool,
  tenant: TenantFixture,
  options: { pbxTrunk: string; name?: string; template?: string; ports?: number },
): Promise<TenantFixture> {
  const trunkId = newId();
  await pool.query('INSERT INTO pbx_trunks (name) VALUES ($1) ON CONFLICT DO NOTHING', [options.pbxTrunk]);
  await pool.query(
    `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports) VALUES ($1, $2, $3, $4, $5, $6)`,
    [
      tenant.tenantId,
      trunkId,
      options.name ?? 'trunk',
      options.template ?? 'direct',
      options.pbxTrunk,
      options.ports ?? 1000,
    ],
  );
  return { ...tenant, trunkId, pbxTrunk: options.pbxTrunk };
}

/** Another message of `tenant`, of text, as what a campaign takes. */
export async function insertTextFixture(
  pool: Pool,
  tenant: TenantFixture,
  text: string,
  language = 'en',
): Promise<TenantFixture> {
  const messageId = newId();
  await pool.query(
    `INSERT INTO messages (tenant_id, id, name, text, language) VALUES ($1, $2, 'text', $3, $4)`,
    [tenant.tenantId, messageId, text, language],
  );
  return { ...tenant, messageId };
}

/** A running campaign of `tenant` with a contact for each number, on its trunk unless others are named; returns its id. */
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
    trunkIds?: readonly string[];
    /** In place of the tenant's message: its first version. */
    flowId?: string;
    /** Of every contact. */
    fields?: Record<string, string>;
    optOutKey?: string;
    machineDetection?: MachineDetection;
    test?: boolean;
  } = {},
): Promise<string> {
  const id = newId();
  await pool.query(
    `INSERT INTO campaigns (tenant_id, id, name, status, message_id, ports, calls_per_second, weight,
        ring_seconds, retry, max_attempts, caller_id, flow_id, flow_version, opt_out_key, test, machine_detection,
        started_at)
      VALUES ($1, $2, 'campaign', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, now())`,
    [
      tenant.tenantId,
      id,
      options.status ?? 'running',
      options.flowId ? null : tenant.messageId,
      options.ports ?? null,
      options.rate ?? null,
      options.weight ?? 1,
      options.ringSeconds ?? 30,
      JSON.stringify(options.retry ?? {}),
      options.maxAttempts ?? 5,
      options.callerId ?? null,
      options.flowId ?? null,
      options.flowId ? 1 : null,
      options.optOutKey ?? null,
      options.test ?? false,
      options.machineDetection ? JSON.stringify(options.machineDetection) : null,
    ],
  );
  await pool.query(
    `INSERT INTO campaign_trunks (tenant_id, campaign_id, position, trunk_id)
      SELECT $1, $2, position, trunk_id FROM unnest($3::uuid[]) WITH ORDINALITY AS o(trunk_id, position)`,
    [tenant.tenantId, id, options.trunkIds ?? [tenant.trunkId]],
  );
  await pool.query(
    `INSERT INTO contacts (tenant_id, id, campaign_id, number, fields)
      SELECT $1, id, $2, number, $5 FROM unnest($3::uuid[], $4::text[]) AS n(id, number)`,
    [tenant.tenantId, id, numbers.map(() => newId()), numbers, JSON.stringify(options.fields ?? {})],
  );
  return id;
}

/** A flow in its first version; returns its id. */
export async function insertFlowFixture(
  pool: Pool,
  { tenantId }: TenantFixture,
  definition: unknown,
): Promise<string> {
  const id = newId();
  await pool.query(`INSERT INTO flows (tenant_id, id, name) VALUES ($1, $2, 'flow')`, [tenantId, id]);
  await pool.query(
    'INSERT INTO flow_versions (tenant_id, flow_id, version, definition) VALUES ($1, $2, 1, $3)',
    [tenantId, id, JSON.stringify(flowDefinition.parse(definition))],
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
  const { rows: kept } = await pool.query(
    `SELECT ${CONTACT_STATES.join(', ')}, attempts FROM campaigns WHERE id = $1`,
    [campaignId],
  );
  const { rows: counted } = await pool.query(
    `SELECT ${CONTACT_STATES.map((s) => `count(*) FILTER (WHERE state = '${s}') AS ${s}`).join(', ')},
        coalesce(sum(attempts), 0)::bigint AS attempts
      FROM contacts WHERE campaign_id = $1`,
    [campaignId],
  );
  return { kept: kept[0], counted: counted[0] };
}

export interface AttemptRow {
  id: string;
  tenant_id: string;
  campaign_id: string;
  contact_id: string;
  node: string;
  test: boolean;
  pbx_trunk: string;
  number: string;
  ordinal: number;
  state: string;
  disposition: string | null;
  claimed_at: Date;
  answered_at: Date | null;
  ended_at: Date | null;
  heard_seconds: number | null;
  key: string | null;
  sip_status: number | null;
  hangup_cause: number | null;
  dial_status: string | null;
  hung_up_by: string | null;
  ring_seconds: number | null;
  talk_seconds: number | null;
  archive_status: string | null;
  silent: boolean;
  machine: MachineVerdict | null;
  steps: Happened[] | null;
}

/** A campaign's attempts, in the order of number and ordinal. */
export async function attemptsOf(pool: Pool, campaignId: string): Promise<AttemptRow[]> {
  const { rows } = await pool.query<AttemptRow>(
    'SELECT * FROM attempts WHERE campaign_id = $1 ORDER BY number, ordinal',
    [campaignId],
  );
  return rows;
}

export interface ContactRow {
  id: string;
  number: string;
  state: string;
  attempts: number;
  fields: Record<string, unknown>;
}

/** A campaign's contacts, in the order of their numbers. */
export async function contactsOf(pool: Pool, campaignId: string): Promise<ContactRow[]> {
  const { rows } = await pool.query<ContactRow>(
    'SELECT * FROM contacts WHERE campaign_id = $1 ORDER BY number',
    [campaignId],
  );
  return rows;
}

export async function statusOf(pool: Pool, campaignId: string): Promise<string> {
  const { rows } = await pool.query('SELECT status FROM campaigns WHERE id = $1', [campaignId]);
  return rows[0].status;
}

/** Resolves when all of the campaigns have completed; throws, with what they wait for, after `seconds`. */
export async function untilCompleted(
  pool: Pool,
  campaignIds: readonly string[],
  seconds: number,
): Promise<void> {
  const query = `SELECT id, status, pending, calling, retrying FROM campaigns WHERE id = ANY($1) AND status <> 'completed'`;
  const left = async () => (await pool.query(query, [campaignIds])).rows;
  const done = await until(async () => (await left()).length === 0, {
    timeoutMs: seconds * 1000,
    everyMs: 100,
  });
  if (!done) throw new Error(`not completed after ${seconds} s: ${JSON.stringify(await left())}`);
}

/** The elements by what `keyOf` gives for each, in their order. */
export function groupBy<T>(elements: readonly T[], keyOf: (element: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const element of elements) {
    const group = groups.get(keyOf(element));
    if (group) group.push(element);
    else groups.set(keyOf(element), [element]);
  }
  return groups;
}

/** The most attempts that were open at one moment, which is how many ports the database knew of. */
export function mostOpen(attempts: readonly { claimed_at: Date; ended_at: Date | null }[]): number {
  const edges = attempts
    .flatMap(({ claimed_at, ended_at }) => [
      { at: claimed_at.getTime(), step: 1 },
      { at: ended_at?.getTime() ?? Number.POSITIVE_INFINITY, step: -1 },
    ])
    .sort((a, b) => (a.at === b.at ? a.step - b.step : a.at - b.at));
  let open = 0;
  let most = 0;
  for (const { step } of edges) {
    open += step;
    most = Math.max(most, open);
  }
  return most;
}
