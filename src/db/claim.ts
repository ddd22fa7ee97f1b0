import type { Key } from '../calls/flow/schema.js';
import type { MachineDetection } from '../calls/machine.js';
import { isSandbox } from '../calls/node-name.js';
import type { CallingWindow } from '../calls/window.js';
import { newId } from '../ids.js';
import { cappedUntil, isSuppressed, lacksConsent, lockedUntil } from './contact-rules.js';
import type { Tx } from './pool.js';
import { type TrunkInOrder, trunksInOrder } from './trunk-order.js';

/** A running campaign with contacts left, its limits and how much of it is due. */
export interface DueCampaign {
  tenant_id: string;
  campaign_id: string;
  /** In their order, those that cannot be dialled through now too. */
  trunks: TrunkInOrder[];
  /** What its calls say: a message, or a version of a flow. */
  message_id: string | null;
  flow_id: string | null;
  flow_version: number | null;
  opt_out_key: Key | null;
  machine_detection: MachineDetection | null;
  ring_seconds: number;
  weight: number;
  campaign_ports: number | null;
  campaign_rate: number | null;
  tenant_ports: number;
  tenant_rate: number | null;
  window: CallingWindow | null;
  start_at: Date | null;
  end_at: Date | null;
  /** The database's clock. */
  now: Date;
  /** The zones that its contacts may be in, each as `contacts.zones` has it. */
  zones: string[];
  /** Whether persons were erased whom it may hold: its numbers are to be compared with theirs. */
  erased: boolean;
  /** Contacts due now where it is open, counted up to the `most` that was asked for; without those that fail over. */
  due: number;
  /** The same of contacts that fail over, by the position from which on they may be called: 2, 3, ... */
  failing_over: number[];
  /** Milliseconds until the next contact that is not due yet, where it is open; null when there is none. */
  next_due_ms: number | null;
}

/** Ports held by attempts that have not ended. */
export interface OpenPorts {
  /** This and the next two are null of transfers, which are second calls on a trunk and count there only. */
  node: string | null;
  tenant_id: string | null;
  campaign_id: string | null;
  trunk_id: string;
  pbx_trunk: string;
  held: number;
}

export interface TakenContact {
  tenant_id: string;
  campaign_id: string;
  contact_id: string;
  attempt_id: string;
  trunk_id: string;
  number: string;
  ordinal: number;
}

/** `count` due contacts of a campaign to be called on one of its trunks: those whose `trunk_from` this is. */
export interface TakeGrant {
  tenantId: string;
  campaignId: string;
  trunkFrom: number;
  trunkId: string;
  pbxTrunk: string;
  count: number;
}

/** What became of the due contacts that `takeDueContacts` looked at. */
export interface Taken {
  /** They are being called. */
  contacts: TakenContact[];
  /** Campaigns, each once, of which a contact may not be called, or not yet: the port it was meant to have is still free. */
  skippedIn: string[];
}

/** Ports held, in the whole installation, by calls of tests or by all others: neither takes any from the other. */
export async function countOpenPorts(tx: Tx, test: boolean): Promise<OpenPorts[]> {
  const { rows } = await tx.query<OpenPorts>({
    name: 'count-open-ports',
    text: `SELECT node, tenant_id, campaign_id, trunk_id, pbx_trunk, count(*)::integer AS held
      FROM attempts WHERE state = 'open' AND test = $1 GROUP BY 1, 2, 3, 4, 5
      UNION ALL SELECT NULL, NULL, NULL, t.trunk_id, t.pbx_trunk, count(*)::integer
      FROM transfers t JOIN attempts a ON a.tenant_id = t.tenant_id AND a.id = t.attempt_id AND a.state = 'open' AND a.test = $1
      WHERE t.ended_at IS NULL AND t.trunk_id IS NOT NULL GROUP BY 4, 5`,
    values: [test],
  });
  return rows;
}

/** Zones in which campaigns may not call now. */
export type ClosedZones = readonly { campaignId: string; zones: string }[];

/**
 * Running campaigns with contacts left that have a trunk which this node can dial through: its template is one of
 * `templates`, and its SIP account, where it has one, is on the PBX of `node` as it is now and may show the campaign's caller
 * id. A sandbox node dials through every trunk, and finds test campaigns only; the others find no test campaign. `most` bounds how many due contacts are counted for each; those in `closed` are not.
 */
export async function findDueCampaigns(
  tx: Tx,
  most: number,
  templates: readonly string[],
  closed: ClosedZones,
  node: string,
): Promise<DueCampaign[]> {
  const { rows } = await tx.query<DueCampaign>({
    name: 'find-due-campaigns',
    // The order in the counts is for the planner: it must not read the table until it has found enough.
    text: `SELECT p.tenant_id, p.id AS campaign_id, o.trunks, p.message_id, p.flow_id, p.flow_version, p.opt_out_key, p.machine_detection, p.ring_seconds, p.weight,
        p.ports AS campaign_ports, p.calls_per_second AS campaign_rate,
        t.ports AS tenant_ports, t.calls_per_second AS tenant_rate,
        p.calling_window AS window, p.start_at, p.end_at, statement_timestamp() AS now, c.zones, c.due, c.next_due_ms,
        f.due AS failing_over,
        EXISTS (SELECT FROM erasures e WHERE e.tenant_id = p.tenant_id) OR EXISTS (SELECT FROM installation_erasures) AS erased
      FROM campaigns p
      JOIN tenants t ON t.id = p.tenant_id
      CROSS JOIN LATERAL (${trunksInOrder('$5', '$2', '$6')}) AS o
      CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT z.zones) AS zones, coalesce(sum(n.retried + n.fresh), 0)::integer AS due,
          (extract(epoch FROM min(n.next) - statement_timestamp()) * 1000)::double precision AS next_due_ms
        FROM campaign_zones z
        LEFT JOIN LATERAL (SELECT
          (SELECT count(*) FROM (SELECT FROM contacts c
            WHERE c.tenant_id = z.tenant_id AND c.campaign_id = z.campaign_id AND c.state = 'retrying'
              AND c.trunk_from = 1 AND c.zones = z.zones AND c.priority = z.priority
              AND c.due_at <= statement_timestamp() ORDER BY c.due_at LIMIT $1) AS r) AS retried,
          (SELECT count(*) FROM (SELECT FROM contacts c
            WHERE c.tenant_id = z.tenant_id AND c.campaign_id = z.campaign_id AND c.state = 'pending'
              AND c.trunk_from = 1 AND c.zones = z.zones AND c.priority = z.priority
              AND c.due_at <= statement_timestamp() ORDER BY c.due_at LIMIT $1) AS f) AS fresh,
          least(
            (SELECT c.due_at FROM contacts c WHERE c.tenant_id = z.tenant_id AND c.campaign_id = z.campaign_id
              AND c.state = 'retrying' AND c.trunk_from = 1 AND c.zones = z.zones AND c.priority = z.priority
              AND c.due_at > statement_timestamp()
              ORDER BY c.due_at LIMIT 1),
            (SELECT c.due_at FROM contacts c WHERE c.tenant_id = z.tenant_id AND c.campaign_id = z.campaign_id
              AND c.state = 'pending' AND c.trunk_from = 1 AND c.zones = z.zones AND c.priority = z.priority
              AND c.due_at > statement_timestamp()
              ORDER BY c.due_at LIMIT 1)) AS next
        ) AS n ON NOT EXISTS (SELECT FROM unnest($3::uuid[], $4::text[]) AS x(campaign_id, zones)
          WHERE x.campaign_id = z.campaign_id AND x.zones = z.zones)
        WHERE z.tenant_id = p.tenant_id AND z.campaign_id = p.id
      ) AS c
      CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(n.due ORDER BY l.trunk_from), '{}') AS due
        FROM generate_series(2, o.number) AS l(trunk_from)
        CROSS JOIN LATERAL (
          SELECT count(*)::integer AS due FROM campaign_zones z CROSS JOIN LATERAL (SELECT FROM contacts c
            WHERE c.tenant_id = z.tenant_id AND c.campaign_id = z.campaign_id AND c.state = 'retrying'
              AND c.trunk_from = l.trunk_from AND c.zones = z.zones AND c.priority = z.priority
              AND c.due_at <= statement_timestamp()
            ORDER BY c.due_at LIMIT $1) AS i
          WHERE z.tenant_id = p.tenant_id AND z.campaign_id = p.id
            AND NOT EXISTS (SELECT FROM unnest($3::uuid[], $4::text[]) AS x(campaign_id, zones)
              WHERE x.campaign_id = z.campaign_id AND x.zones = z.zones)
        ) AS n
      ) AS f
      WHERE p.status = 'running' AND p.test = $6 AND NOT t.suspended AND p.pending + p.retrying > 0 AND c.zones IS NOT NULL
        AND o.dialable`,
    values: [
      most,
      templates,
      closed.map((c) => c.campaignId),
      closed.map((c) => c.zones),
      node,
      isSandbox(node),
    ],
  });
  return rows;
}

/** How many of the contacts that are about to be called have the same number as `c`, and come before it. */
const BEFORE = `(SELECT count(*) FROM due o WHERE o.tenant_id = c.tenant_id AND o.number = c.number
  AND o.state = 'calling' AND (-o.priority, o.id) < (-c.priority, c.id))`;

/**
 * Takes due contacts of each campaign that still runs, as many as `grants` say, the highest priority first and then retries,
 * and opens an attempt for each on `node`. Whom src/db/contact-rules.ts forbids to call, or to call yet, is not called, nor is
 * who is in `closed` zones. Where fewer are found, the trunks that come first in `grants` are taken.
 */
export async function takeDueContacts(
  tx: Tx,
  grants: readonly TakeGrant[],
  node: string,
  closed: ClosedZones,
): Promise<Taken> {
  const groups = groupsOf(grants);
  const slots = slotsOf(grants);
  const { rows } = await tx.query<Omit<TakenContact, 'attempt_id'> & { attempt_id: string | null }>({
    name: 'take-due-contacts',
    // The due contacts must come from materialized CTEs: as a plain sub-select the planner may run it again for
    // each row of the UPDATE and so lock and take more rows than LIMIT allows. They go on as arrays, because the planner
    // takes a CTE with a LIMIT it does not know for thousands of rows and would read the whole table to join them.
    // The campaigns are locked first, as everywhere. Of the contacts only those are locked that are looked at, and not all
    // that each zone and priority has to offer; whoever has changed since is left out.
    text: `WITH grants AS MATERIALIZED (
        SELECT g.*, p.test, p.requires_consent, t.attempts_per_day, t.attempts_per_30_days, t.silent_call_lockout_hours
        FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::integer[]) AS g(tenant_id, campaign_id, trunk_from, n)
        JOIN campaigns p ON p.tenant_id = g.tenant_id AND p.id = g.campaign_id
        JOIN tenants t ON t.id = g.tenant_id AND NOT t.suspended WHERE p.status = 'running'
        ORDER BY p.tenant_id, p.id FOR NO KEY UPDATE OF p
      ), open_zones AS MATERIALIZED (
        SELECT DISTINCT z.campaign_id, z.zones, z.priority FROM grants g JOIN campaign_zones z USING (tenant_id, campaign_id)
        WHERE NOT EXISTS (SELECT FROM unnest($11::uuid[], $12::text[]) AS x(campaign_id, zones)
          WHERE x.campaign_id = z.campaign_id AND x.zones = z.zones)
      ), found AS MATERIALIZED (
        SELECT f.row FROM grants g CROSS JOIN LATERAL (
          SELECT i.row FROM open_zones z CROSS JOIN (VALUES ('retrying'), ('pending')) AS s(state) CROSS JOIN LATERAL (
            SELECT ctid AS row, due_at, id FROM contacts
            WHERE tenant_id = g.tenant_id AND campaign_id = g.campaign_id AND state = s.state
              AND state IN ('pending', 'retrying') AND trunk_from = g.trunk_from AND zones = z.zones
              AND priority = z.priority AND due_at <= statement_timestamp()
            ORDER BY due_at, id LIMIT g.n) AS i
          WHERE z.campaign_id = g.campaign_id
          ORDER BY z.priority DESC, s.state DESC, i.due_at, i.id LIMIT g.n) AS f
      ), due AS MATERIALIZED (
        SELECT c.tenant_id, c.id, c.number, c.priority, g.test, g.attempts_per_day, g.attempts_per_30_days,
          CASE WHEN ${isSuppressed('EXISTS (SELECT FROM installation_suppressions s WHERE s.number = c.number)')}
              THEN 'suppressed'
            WHEN ${lacksConsent('g')} THEN 'no_consent' ELSE 'calling' END AS state,
          ${lockedUntil('g', 'g.test')} AS locked
        FROM contacts c JOIN grants g USING (tenant_id, campaign_id, trunk_from)
        WHERE c.ctid = ANY(ARRAY(SELECT row FROM found)) AND c.state IN ('pending', 'retrying')
          AND c.due_at <= statement_timestamp() FOR UPDATE OF c SKIP LOCKED
      ), taken AS (
        UPDATE contacts c SET updated_at = statement_timestamp(),
          state = CASE WHEN d.until IS NULL THEN d.state ELSE c.state END,
          due_at = coalesce(d.until, c.due_at), held_for = d.held_for, problem = NULL,
          -- Whoever is held begins a new round.
          trunk_from = CASE WHEN d.until IS NULL THEN c.trunk_from ELSE 1 END,
          attempts = c.attempts + CASE WHEN d.state = 'calling' AND d.until IS NULL THEN 1 ELSE 0 END
        FROM (
          SELECT tenant_id, id, state, until,
            CASE WHEN until = locked THEN 'silent_call' WHEN until = capped THEN 'frequency_cap' END AS held_for
          FROM unnest(ARRAY(SELECT tenant_id FROM due), ARRAY(SELECT id FROM due), ARRAY(SELECT state FROM due),
              ARRAY(SELECT locked FROM due), ARRAY(SELECT ${cappedUntil('c', BEFORE, 'c.test')} FROM due c))
            AS d(tenant_id, id, state, locked, capped)
          CROSS JOIN LATERAL (SELECT CASE WHEN state = 'calling' THEN greatest(locked, capped) END AS until) AS u
        ) AS d
        WHERE c.tenant_id = d.tenant_id AND c.id = d.id
        RETURNING c.tenant_id, c.id, c.campaign_id, c.trunk_from, c.number, c.attempts, c.due_at, c.state = 'calling' AS called
      ), numbered AS (
        SELECT taken.*, row_number() OVER (PARTITION BY campaign_id, trunk_from ORDER BY attempts DESC, id) AS n
        FROM taken WHERE called
      ), opened AS (
        INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal,
          test, due_at, claimed_at)
        SELECT d.tenant_id, k.id, d.campaign_id, d.id, k.trunk_id, k.pbx_trunk, $10, d.number, d.attempts,
          (SELECT g.test FROM grants g WHERE g.campaign_id = d.campaign_id LIMIT 1), d.due_at, statement_timestamp()
        FROM numbered d
        JOIN unnest($5::uuid[], $6::smallint[], $7::integer[], $8::uuid[], $9::text[], $13::uuid[])
          AS k(campaign_id, trunk_from, n, trunk_id, pbx_trunk, id) USING (campaign_id, trunk_from, n)
        RETURNING tenant_id, campaign_id, contact_id, id, trunk_id, number, ordinal
      )
      SELECT tenant_id, campaign_id, contact_id, id AS attempt_id, trunk_id, number, ordinal FROM opened
      UNION ALL SELECT tenant_id, campaign_id, id, NULL, NULL, number, attempts FROM taken WHERE NOT called`,
    values: [
      groups.map((g) => g.tenantId),
      groups.map((g) => g.campaignId),
      groups.map((g) => g.trunkFrom),
      groups.map((g) => g.count),
      slots.map((s) => s.campaignId),
      slots.map((s) => s.trunkFrom),
      slots.map((s) => s.n),
      slots.map((s) => s.trunkId),
      slots.map((s) => s.pbxTrunk),
      node,
      closed.map((c) => c.campaignId),
      closed.map((c) => c.zones),
      slots.map(() => newId()),
    ],
  });
  const contacts: TakenContact[] = [];
  const skippedIn = new Set<string>();
  for (const { attempt_id, ...row } of rows) {
    if (attempt_id === null) skippedIn.add(row.campaign_id);
    else contacts.push({ ...row, attempt_id });
  }
  return { contacts, skippedIn: [...skippedIn] };
}

/** The grants of each campaign and `trunkFrom` as one, whatever the trunk. */
function groupsOf(grants: readonly TakeGrant[]): TakeGrant[] {
  const groups = new Map<string, TakeGrant>();
  for (const grant of grants) {
    const key = `${grant.campaignId} ${grant.trunkFrom}`;
    const group = groups.get(key);
    if (group) group.count += grant.count;
    else groups.set(key, { ...grant });
  }
  return [...groups.values()];
}

/** A place for each contact that may be taken: the `n`-th of its campaign and `trunkFrom` is called on this trunk. */
function slotsOf(grants: readonly TakeGrant[]): (TakeGrant & { n: number })[] {
  const taken = new Map<string, number>();
  return grants.flatMap((grant) => {
    const key = `${grant.campaignId} ${grant.trunkFrom}`;
    const before = taken.get(key) ?? 0;
    taken.set(key, before + grant.count);
    return Array.from({ length: grant.count }, (_, i) => ({ ...grant, n: before + i + 1 }));
  });
}
