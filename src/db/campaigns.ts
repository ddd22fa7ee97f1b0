import type { MachineDetection } from '../calls/machine.js';
import type { RetryRules } from '../calls/retry.js';
import type { CampaignStatus, ContactState } from '../calls/states.js';
import type { CallingWindow } from '../calls/window.js';
import { completeCampaigns } from './finish.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';
import { setTrunkOrder } from './trunk-order.js';

/** What a campaign is made of. */
export interface NewCampaign {
  id: string;
  name: string;
  /** Its calls go to a sandbox node and nobody is called. Fixed when it is created. */
  test: boolean;
  /** A try of a flow (tries.ts), which is shown as such and as no campaign. */
  is_try?: boolean;
  /** In order: where one cannot take a call, the next does. Empty only when they were deleted after its end, or in a copy. */
  trunk_ids: string[];
  /** What is played; null where there is a flow. */
  message_id: string | null;
  flow_id: string | null;
  /** The version of the flow; null in a draft, and where there is a message. */
  flow_version: number | null;
  /** With a message, the key that means "do not call me again". */
  opt_out_key: string | null;
  caller_id: string | null;
  ports: number | null;
  calls_per_second: number | null;
  weight: number;
  ring_seconds: number;
  retry: RetryRules;
  max_attempts: number;
  /** How many days old the tenant's suppression lists may be when it starts; null: it does not matter. */
  suppression_max_age_days: number | null;
  /** Contacts without a basis of consent are not called. */
  requires_consent: boolean;
  /** What whoever calls back hears; null: what he would have heard. */
  inbound_message_id: string | null;
  /** How machines are told from persons; null: they are not. */
  machine_detection: MachineDetection | null;
  /** When calls may be placed; null: at any time. */
  calling_window: CallingWindow | null;
  start_at: Date | null;
  /** Who has not been reached by then is `expired`. */
  end_at: Date | null;
  /** It is paused when more of its transfers are abandoned: src/calls/flow/transfer.ts. Null: it does not matter. */
  max_abandoned_percent: number | null;
}

/** A campaign with the counters that the triggers keep: contacts by state, and attempts. */
export interface Campaign extends NewCampaign, Record<ContactState, number> {
  status: CampaignStatus;
  /** Why it is paused, when that was not the tenant. */
  paused_reason: string | null;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  archived_at: Date | null;
  attempts: number;
  /** Calls that are up or on their way. */
  ports_in_use: number;
}

const COUNTERS = `pending, calling, retrying, answered, machine, busy, no_answer, failed, invalid, suppressed, no_consent,
  cancelled, expired, attempts,
  (SELECT count(*)::integer FROM attempts a
    WHERE a.tenant_id = campaigns.tenant_id AND a.campaign_id = campaigns.id AND a.state = 'open') AS ports_in_use`;

const COLUMNS = `id, name, test, status,
  array(SELECT ct.trunk_id FROM campaign_trunks ct WHERE ct.tenant_id = campaigns.tenant_id AND ct.campaign_id = campaigns.id
    ORDER BY ct.position) AS trunk_ids, message_id, flow_id, flow_version, opt_out_key, caller_id, ports, calls_per_second, weight,
  ring_seconds, retry, max_attempts, suppression_max_age_days, requires_consent, machine_detection, inbound_message_id, calling_window, start_at, end_at,
  max_abandoned_percent, CASE WHEN status = 'paused' THEN paused_reason END AS paused_reason, created_at, started_at, ended_at, archived_at, ${COUNTERS}`;

function settingsOf(tenantId: string, campaign: NewCampaign): unknown[] {
  return [
    tenantId,
    campaign.id,
    campaign.name,
    campaign.message_id,
    campaign.caller_id,
    campaign.ports,
    campaign.calls_per_second,
    campaign.weight,
    campaign.ring_seconds,
    JSON.stringify(campaign.retry),
    campaign.max_attempts,
    campaign.suppression_max_age_days,
    campaign.calling_window && JSON.stringify(campaign.calling_window),
    campaign.start_at,
    campaign.end_at,
    campaign.requires_consent,
    campaign.flow_id,
    campaign.flow_version,
    campaign.opt_out_key,
    campaign.machine_detection && JSON.stringify(campaign.machine_detection),
    campaign.inbound_message_id,
    campaign.max_abandoned_percent,
  ];
}

export async function insertCampaign(tx: Tx, tenantId: string, campaign: NewCampaign): Promise<Campaign> {
  await addCampaign(tx, tenantId, campaign);
  return (await findCampaignById(tx, tenantId, campaign.id))!;
}

/** The same, for one that is not shown. */
export async function addCampaign(tx: Tx, tenantId: string, campaign: NewCampaign): Promise<void> {
  await tx.query(
    `INSERT INTO campaigns (tenant_id, id, name, message_id, caller_id, ports, calls_per_second, weight,
        ring_seconds, retry, max_attempts, suppression_max_age_days, calling_window, start_at, end_at,
        requires_consent, flow_id, flow_version, opt_out_key, machine_detection, inbound_message_id, max_abandoned_percent, test,
        is_try)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
    [...settingsOf(tenantId, campaign), campaign.test, campaign.is_try ?? false],
  );
  await setTrunkOrder(tx, tenantId, campaign.id, campaign.trunk_ids);
}

export async function findCampaignById(db: Db, tenantId: string, id: string): Promise<Campaign | null> {
  const { rows } = await db.query<Campaign>(
    `SELECT ${COLUMNS} FROM campaigns WHERE tenant_id = $1 AND id = $2 AND NOT is_try`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** A campaign's status and counters. */
export type CampaignCounters = Pick<
  Campaign,
  'id' | 'test' | 'status' | 'attempts' | 'ports_in_use' | ContactState
>;

export async function findCampaignCounters(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<CampaignCounters[]> {
  const { rows } = await db.query<CampaignCounters>(
    `SELECT ${COUNTERS}, id, test, status FROM campaigns WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
    [tenantId, ids],
  );
  return rows;
}

/**
 * The campaign, which nobody else changes until the transaction ends. Whoever locks a campaign's attempts or contacts
 * as well must have called this first: everything locks campaign, attempts, contacts in this order.
 */
export async function lockCampaign(tx: Tx, tenantId: string, id: string): Promise<Campaign | null> {
  const { rows } = await tx.query<Campaign>(
    `SELECT ${COLUMNS} FROM campaigns WHERE tenant_id = $1 AND id = $2 AND NOT is_try FOR NO KEY UPDATE`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** Campaigns that are archived, or those that are not. */
export async function listCampaigns(
  db: Db,
  tenantId: string,
  archived: boolean,
  page: Page,
): Promise<Campaign[]> {
  const { rows } = await db.query<Campaign>(
    `SELECT ${COLUMNS} FROM campaigns
      WHERE tenant_id = $1 AND NOT is_try AND (archived_at IS NOT NULL) = $2 AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4`,
    [tenantId, archived, page.after, page.limit],
  );
  return rows;
}

/** Sets what a campaign is made of, apart from its trunks; running calls keep what they were placed with. */
export async function updateCampaign(tx: Tx, tenantId: string, campaign: NewCampaign): Promise<Campaign> {
  const { rows } = await tx.query<Campaign>(
    `UPDATE campaigns SET name = $3, message_id = $4, caller_id = $5, ports = $6,
        calls_per_second = $7, weight = $8, ring_seconds = $9, retry = $10, max_attempts = $11,
        suppression_max_age_days = $12, calling_window = $13, start_at = $14, end_at = $15,
        requires_consent = $16, flow_id = $17, flow_version = $18, opt_out_key = $19, machine_detection = $20,
        inbound_message_id = $21, max_abandoned_percent = $22
      WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    settingsOf(tenantId, campaign),
  );
  return rows[0]!;
}

/** Archives a campaign, or takes it out of the archive. */
export async function updateCampaignArchived(
  tx: Tx,
  tenantId: string,
  id: string,
  archived: boolean,
): Promise<void> {
  await tx.query(
    `UPDATE campaigns SET archived_at = CASE WHEN $3 THEN coalesce(archived_at, statement_timestamp()) END
      WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id, archived],
  );
}

/** Sets a campaign's status, the time of its first start and the time of its cancellation. */
export async function updateCampaignStatus(
  tx: Tx,
  tenantId: string,
  id: string,
  status: 'running' | 'paused' | 'cancelled',
): Promise<void> {
  await tx.query(
    `UPDATE campaigns SET status = $3, paused_reason = NULL,
        started_at = CASE WHEN $3 = 'running' THEN coalesce(started_at, statement_timestamp()) ELSE started_at END,
        ended_at = CASE WHEN $3 = 'cancelled' THEN statement_timestamp() ELSE ended_at END
      WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id, status],
  );
}

/** Sets the version of its flow that a campaign goes by. */
export async function updateFlowVersion(
  tx: Tx,
  tenantId: string,
  id: string,
  version: number,
): Promise<void> {
  await tx.query('UPDATE campaigns SET flow_version = $3 WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
    version,
  ]);
}

/**
 * Ends campaigns whose `end_at` has come: up to `most` of their contacts that wait are `expired`, and a campaign without any
 * left is completed. Returns how many contacts those were. The transaction must have its turn (src/db/turn.ts).
 */
export async function expireCampaigns(tx: Tx, most: number): Promise<number> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM campaigns WHERE status IN ('running', 'paused') AND end_at <= statement_timestamp()
      ORDER BY tenant_id, id FOR NO KEY UPDATE`,
  );
  if (rows.length === 0) return 0;
  const ids = rows.map(({ id }) => id);
  const { rowCount } = await tx.query(
    `WITH waiting AS MATERIALIZED (
        SELECT tenant_id, id FROM contacts
        WHERE campaign_id = ANY($1::uuid[]) AND state IN ('pending', 'retrying') LIMIT $2
      )
      UPDATE contacts c SET state = 'expired', updated_at = statement_timestamp()
      FROM waiting w WHERE c.tenant_id = w.tenant_id AND c.id = w.id`,
    [ids, most],
  );
  await completeCampaigns(tx, ids);
  return rowCount ?? 0;
}

/** Tells every scheduler, once the transaction commits, that contacts may be due. */
export async function notifyDue(tx: Tx): Promise<void> {
  await tx.query(`SELECT pg_notify('campanile_due', '')`);
}

/** Tells every node, once the transaction commits, that calls of the campaign which wait or ring are to be dropped. */
export async function notifyCancelled(tx: Tx, tenantId: string, id: string): Promise<void> {
  await tx.query(`SELECT pg_notify('campanile_cancelled', $1)`, [`${tenantId}.${id}`]);
}
