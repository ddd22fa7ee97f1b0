import type { HeldFor } from '../calls/states.js';
import type { HeldContacts, PortsInUse } from '../calls/why.js';
import { cappedUntil, isSuppressed, lacksConsent, lockedUntil } from './contact-rules.js';
import type { Db } from './pool.js';
import { RESTING } from './trunks.js';

/** Contacts of a campaign that wait for a call, by `contacts.zones`. */
export interface WaitingGroup {
  zones: string;
  contacts: number;
}

/** What a tenant's own rows tell of a campaign's limits and of who waits in it. */
export interface OwnFacts {
  now: Date;
  /** In their order. */
  trunks: TrunkFacts[];
  campaign_in_use: number;
  tenant_ports: number;
  tenant_in_use: number;
  /** The least of campaign's and tenant's; null without a limit. */
  calls_per_second: number | null;
  retries_later: number;
  next_retry_at: Date | null;
}

/** A trunk of a campaign. */
export interface TrunkFacts {
  name: string;
  pbx_trunk: string;
  ports: number;
  in_use: number;
  calls_per_second: number | null;
  /** Null when it does not rest; an `until` that is over means that a few calls are tried. */
  resting: { since: string; until: string; reason: string } | null;
  /** Whether some node's PBX has the trunk's SIP account as it is now; true for a trunk that is none. */
  account_ready: boolean;
  account_problem: string | null;
  /** Whether the trunk's SIP account may show the campaign's caller id. */
  caller_id_allowed: boolean;
}

/** What the whole installation tells, without a word of other tenants but how much of it is in use. */
export interface InstallationFacts {
  /** By their names. */
  pbxTrunks: ReadonlyMap<string, PortsInUse & { callsPerSecond: number | null }>;
  nodes: PortsInUse & { alive: number; seenAt: Date | null };
  untaken: { calls: number; since: Date } | null;
  /** What the nodes that are alive make together; null without a limit. */
  callsPerSecond: number | null;
}

/** Nodes say every 10 s that they are alive (src/node/node.ts). */
const ALIVE_SECONDS = 30;

// Of a campaign p, as JSON. A test needs nothing of a trunk but its limits.
const TRUNK_FACTS = `SELECT json_agg(json_build_object('name', tr.name, 'pbx_trunk', tr.pbx_trunk, 'ports', tr.ports,
    'in_use', (SELECT count(*) FROM attempts a
      WHERE a.tenant_id = tr.tenant_id AND a.trunk_id = tr.id AND a.state = 'open' AND a.test = p.test),
    'calls_per_second', tr.calls_per_second, 'resting', CASE WHEN NOT p.test THEN ${RESTING} END,
    'account_ready', p.test OR s.id IS NULL OR coalesce(sn.ready, false), 'account_problem', sn.problem,
    'caller_id_allowed', p.test OR s.id IS NULL OR p.caller_id IS NULL OR s.caller_ids = '{}' OR p.caller_id = ANY(s.caller_ids)
  ) ORDER BY ct.position) AS trunks
  FROM campaign_trunks ct
  JOIN trunks tr ON tr.tenant_id = ct.tenant_id AND tr.id = ct.trunk_id
  LEFT JOIN sip_accounts s ON s.tenant_id = tr.tenant_id AND s.id = tr.id
  LEFT JOIN LATERAL (
    SELECT bool_or(n.revision = s.revision) AS ready, max(n.problem) AS problem FROM sip_account_nodes n
    WHERE n.tenant_id = s.tenant_id AND n.id = s.id) AS sn ON true
  WHERE ct.tenant_id = p.tenant_id AND ct.campaign_id = p.id`;

/** Null when the tenant has no such campaign. */
export async function findOwnFacts(db: Db, tenantId: string, campaignId: string): Promise<OwnFacts | null> {
  const { rows } = await db.query<OwnFacts>(
    `SELECT statement_timestamp() AS now, coalesce(tr.trunks, '[]') AS trunks,
        o.campaign AS campaign_in_use, t.ports AS tenant_ports, o.tenant AS tenant_in_use,
        least(p.calls_per_second, t.calls_per_second) AS calls_per_second,
        r.later AS retries_later, r.next AS next_retry_at
      FROM campaigns p
      JOIN tenants t ON t.id = p.tenant_id
      CROSS JOIN LATERAL (${TRUNK_FACTS}) AS tr
      CROSS JOIN LATERAL (
        SELECT count(*)::integer AS tenant,
          (count(*) FILTER (WHERE a.campaign_id = p.id))::integer AS campaign
        FROM attempts a WHERE a.tenant_id = p.tenant_id AND a.state = 'open' AND a.test = p.test) AS o
      CROSS JOIN LATERAL (
        SELECT count(*)::integer AS later, min(c.due_at) AS next FROM contacts c
        WHERE c.tenant_id = p.tenant_id AND c.campaign_id = p.id AND c.state = 'retrying'
          AND c.due_at > statement_timestamp() AND c.held_for IS NULL) AS r
      WHERE p.tenant_id = $1 AND p.id = $2`,
    [tenantId, campaignId],
  );
  return rows[0] ?? null;
}

export async function listWaitingGroups(
  db: Db,
  tenantId: string,
  campaignId: string,
): Promise<WaitingGroup[]> {
  const { rows } = await db.query<WaitingGroup>(
    `SELECT zones, count(*) AS contacts FROM contacts
      WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('pending', 'retrying') GROUP BY zones ORDER BY zones`,
    [tenantId, campaignId],
  );
  return rows;
}

/** What there is of nodes and their trunks for test campaigns (`test`), or for all others. */
export async function findInstallationFacts(
  db: Db,
  pbxTrunks: readonly string[],
  test: boolean,
): Promise<InstallationFacts> {
  const { rows } = await db.query<{
    name: string;
    ports: number | null;
    in_use: number;
    calls_per_second: number | null;
  }>(
    `SELECT pt.name, pt.ports, pt.calls_per_second, (SELECT count(*)::integer FROM attempts a
        WHERE a.state = 'open' AND a.pbx_trunk = pt.name AND a.test = $2) AS in_use
      FROM pbx_trunks pt WHERE pt.name = ANY($1)`,
    [pbxTrunks, test],
  );
  return {
    pbxTrunks: new Map(
      rows.map((row) => [
        row.name,
        { ports: row.ports, inUse: row.in_use, callsPerSecond: row.calls_per_second },
      ]),
    ),
    ...(await findNodeFacts(db, test)),
  };
}

async function findNodeFacts(db: Db, test: boolean): Promise<Omit<InstallationFacts, 'pbxTrunks'>> {
  const { rows } = await db.query<{
    ports: number;
    in_use: number;
    alive: number;
    seen_at: Date | null;
    untaken: number;
    untaken_since: Date | null;
    calls_per_second: number | null;
  }>(
    `SELECT max(seen_at) AS seen_at, (count(*) FILTER (WHERE is_alive))::integer AS alive,
        coalesce(sum(ports) FILTER (WHERE is_alive), 0)::integer AS ports,
        coalesce(sum(untaken) FILTER (WHERE is_alive), 0)::integer AS untaken,
        min(untaken_since) FILTER (WHERE is_alive) AS untaken_since,
        CASE WHEN bool_and(calls_per_second IS NOT NULL) FILTER (WHERE is_alive)
          THEN sum(calls_per_second) FILTER (WHERE is_alive) END AS calls_per_second,
        (SELECT count(*)::integer FROM attempts a WHERE a.state = 'open' AND a.test = $2) AS in_use
      FROM (SELECT *, seen_at > now() - make_interval(secs => $1) AS is_alive FROM nodes WHERE sandbox = $2) AS known`,
    [ALIVE_SECONDS, test],
  );
  const row = rows[0]!;
  return {
    nodes: { ports: row.ports, inUse: row.in_use, alive: row.alive, seenAt: row.seen_at },
    untaken: row.untaken_since && { calls: row.untaken, since: row.untaken_since },
    callsPerSecond: row.calls_per_second,
  };
}

/** Why a contact that waits is not called: for good, or not yet. */
export type SkipReason = 'suppressed' | 'no_consent' | Exclude<HeldFor, 'speech'>;

/**
 * A campaign's contacts that wait and that its claim would not call now, each counted once. Of the suppression lists those of
 * erased persons are not asked: they know numbers by their hash only.
 */
export async function countSkipped(
  db: Db,
  tenantId: string,
  campaignId: string,
): Promise<(SkippedGroup & { reason: SkipReason })[]> {
  // OFFSET 0, and no condition on the reason, or Postgres would look for the attempts wherever what they tell is named.
  const { rows } = await db.query<SkippedGroup>(
    `SELECT c.zones, r.reason, count(*) AS contacts
      FROM campaigns p
      JOIN tenants t ON t.id = p.tenant_id
      JOIN contacts c ON c.tenant_id = p.tenant_id AND c.campaign_id = p.id AND c.state IN ('pending', 'retrying')
      CROSS JOIN LATERAL (SELECT CASE
        WHEN ${isSuppressed('on_installation_list(c.number)')} THEN 'suppressed'
        WHEN ${lacksConsent('p')} THEN 'no_consent'
        WHEN h.locked >= h.capped OR h.capped IS NULL AND h.locked IS NOT NULL THEN 'silent_call'
        WHEN h.capped IS NOT NULL THEN 'frequency_cap' END AS reason
        FROM (SELECT ${lockedUntil('t', 'p.test')} AS locked, ${cappedUntil('t', '0', 'p.test')} AS capped OFFSET 0) AS h) AS r
      WHERE p.tenant_id = $1 AND p.id = $2 GROUP BY c.zones, r.reason`,
    [tenantId, campaignId],
  );
  return rows.filter(isSkipped);
}

type SkippedGroup = WaitingGroup & { reason: SkipReason | null };

function isSkipped(group: SkippedGroup): group is SkippedGroup & { reason: SkipReason } {
  return group.reason !== null;
}

/** Contacts that were due and are held until later, by what holds them, and when the first of them may be called. */
export async function listHeld(db: Db, tenantId: string, campaignId: string): Promise<HeldContacts[]> {
  const { rows } = await db.query<HeldContacts>(
    `SELECT held_for AS "heldFor", count(*)::integer AS contacts, min(due_at) AS "nextAt",
        (array_agg(problem ORDER BY due_at DESC))[1] AS problem FROM contacts
      WHERE tenant_id = $1 AND campaign_id = $2 AND held_for IS NOT NULL AND state IN ('pending', 'retrying')
        AND due_at > statement_timestamp()
      GROUP BY held_for ORDER BY held_for`,
    [tenantId, campaignId],
  );
  return rows;
}
