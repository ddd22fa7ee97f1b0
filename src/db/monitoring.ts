import type { CallingWindow } from '../calls/window.js';
import type { ClosedZones } from './claim.js';
import type { Db } from './pool.js';
import { USABLE } from './trunk-order.js';

// What monitoring asks of the whole installation. Every answer costs as much as there are open attempts, trunks in use and
// running campaigns, however many contacts and attempts there are: test/db/monitoring.test.ts holds it.

/** A node's ports, of real calls and those of tests, and for how many seconds it has said nothing. */
export interface NodePorts {
  name: string;
  ports: number;
  in_use: number;
  silent_seconds: number;
}

/** Nodes of the last day, and those of before that still hold ports. */
export async function listNodePorts(db: Db): Promise<NodePorts[]> {
  const { rows } = await db.query<NodePorts>(
    `WITH used AS (SELECT node, count(*)::integer AS n FROM attempts WHERE state = 'open' GROUP BY node)
      SELECT n.name, n.ports, coalesce(u.n, 0) AS in_use,
        extract(epoch FROM statement_timestamp() - n.seen_at)::double precision AS silent_seconds
      FROM nodes n LEFT JOIN used u ON u.node = n.name
      WHERE u.n > 0 OR n.seen_at > statement_timestamp() - interval '1 day' ORDER BY n.name`,
  );
  return rows;
}

/** A trunk's ports, without those of tests. */
export interface TrunkPorts {
  id: string;
  ports: number;
  in_use: number;
  resting: boolean;
}

/** Trunks that hold ports, rest, or are in the order of a campaign that runs: up to `most`, those in use first. */
export async function listTrunkPorts(
  db: Db,
  most: number,
): Promise<{ trunks: TrunkPorts[]; omitted: number }> {
  const { rows } = await db.query<TrunkPorts & { found: number }>(
    `WITH used AS MATERIALIZED (
        SELECT trunk_id AS id, count(*)::integer AS n FROM (
          SELECT trunk_id FROM attempts WHERE state = 'open' AND NOT test
          UNION ALL SELECT t.trunk_id FROM transfers t
            JOIN attempts a ON a.tenant_id = t.tenant_id AND a.id = t.attempt_id AND a.state = 'open' AND NOT a.test
            WHERE t.ended_at IS NULL AND t.trunk_id IS NOT NULL) AS held
        GROUP BY trunk_id
      ), wanted AS (
        SELECT ct.trunk_id AS id FROM campaigns p JOIN campaign_trunks ct ON ct.tenant_id = p.tenant_id AND ct.campaign_id = p.id
        WHERE p.status = 'running' AND NOT p.test
        UNION SELECT id FROM used UNION SELECT id FROM trunks WHERE resting_since IS NOT NULL
      )
      SELECT tr.id, tr.ports, coalesce(u.n, 0) AS in_use, tr.resting_since IS NOT NULL AS resting,
        (count(*) OVER ())::integer AS found
      FROM trunks tr JOIN wanted USING (id) LEFT JOIN used u USING (id)
      ORDER BY (tr.resting_since IS NOT NULL) DESC, in_use DESC, tr.id LIMIT $1`,
    [most],
  );
  return { trunks: rows.map(({ found, ...trunk }) => trunk), omitted: (rows[0]?.found ?? 0) - rows.length };
}

/** How many tenants have all their ports in use, by real calls. */
export async function countFullTenants(db: Db): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    `SELECT count(*)::integer AS n FROM tenants t
      JOIN (SELECT tenant_id, count(*) AS held FROM attempts WHERE state = 'open' AND NOT test GROUP BY tenant_id) AS u
        ON u.tenant_id = t.id WHERE u.held >= t.ports`,
  );
  return rows[0]!.n;
}

/** A running campaign whose contacts wait, and when it may call them. */
export interface RunningCampaign {
  campaign_id: string;
  test: boolean;
  waiting: number;
  window: CallingWindow | null;
  start_at: Date | null;
  end_at: Date | null;
  now: Date;
  zones: string[];
}

export async function listRunningCampaigns(db: Db): Promise<RunningCampaign[]> {
  const { rows } = await db.query<RunningCampaign>(
    `SELECT p.id AS campaign_id, p.test, p.pending + p.retrying AS waiting, p.calling_window AS window, p.start_at, p.end_at,
        statement_timestamp() AS now,
        ARRAY(SELECT DISTINCT z.zones FROM campaign_zones z WHERE z.tenant_id = p.tenant_id AND z.campaign_id = p.id) AS zones
      FROM campaigns p JOIN tenants t ON t.id = p.tenant_id
      WHERE p.status = 'running' AND NOT t.suspended AND p.pending + p.retrying > 0`,
  );
  return rows;
}

/** A campaign with a contact that may be called now. */
export interface DueNow {
  id: string;
  test: boolean;
  /** There are free ports all the way, and yet none of its calls was begun for `stallSeconds`. */
  stalled: boolean;
}

// A limit of speed that calls were begun under lately is a reason to wait; its rows are named as src/scheduler/claim.ts does.
const PACED = `SELECT scope, id FROM pace WHERE refilled_at > statement_timestamp() - make_interval(secs => $4)`;

/** Nodes say every 10 s that they are alive (src/node/node.ts). */
const ALIVE = `n.seen_at > statement_timestamp() - interval '30 seconds'`;

// Of the campaigns `p` those that have a trunk with free ports which could be dialled through now. Counted once for all of them.
const WAYS = `SELECT DISTINCT p.id FROM p
  JOIN campaign_trunks ct ON ct.tenant_id = p.tenant_id AND ct.campaign_id = p.id
  JOIN trunks tr ON tr.tenant_id = ct.tenant_id AND tr.id = ct.trunk_id
  JOIN pbx_trunks pt ON pt.name = tr.pbx_trunk
  LEFT JOIN sip_accounts s ON s.tenant_id = tr.tenant_id AND s.id = tr.id
  LEFT JOIN (SELECT trunk_id, test, count(*) AS n FROM open GROUP BY 1, 2) AS ut ON ut.trunk_id = tr.id AND ut.test = p.test
  LEFT JOIN (SELECT pbx_trunk, test, count(*) AS n FROM open GROUP BY 1, 2) AS up
    ON up.pbx_trunk = tr.pbx_trunk AND up.test = p.test
  WHERE (p.test OR tr.resting_since IS NULL AND (${USABLE}))
    AND tr.ports > coalesce(ut.n, 0) AND coalesce(pt.ports > coalesce(up.n, 0), true)
    AND NOT EXISTS (SELECT FROM paced b WHERE b.scope = p.kind || 'trunk' AND b.id = tr.id::text)
    AND NOT EXISTS (SELECT FROM paced b WHERE b.scope = p.kind || 'pbx_trunk' AND b.id = tr.pbx_trunk)`;

// Whether a node that dials such campaigns has a free port; where none is alive at all, that is for others to tell.
const NODE_IS_FREE = `coalesce((SELECT bool_or(n.ports > coalesce(u.n, 0)) FROM nodes n
  LEFT JOIN (SELECT node, count(*) AS n FROM open GROUP BY node) AS u ON u.node = n.name
  WHERE n.sandbox = kinds.test AND ${ALIVE}), true)`;

/**
 * Which of these running campaigns have a contact due that may be called, apart from those in `closed` zones, and which of them
 * are not dialled all the same. Where no node is alive at all, that is a stall too.
 */
export async function listDueNow(
  db: Db,
  campaignIds: readonly string[],
  closed: ClosedZones,
  stallSeconds: number,
): Promise<DueNow[]> {
  const { rows } = await db.query<DueNow>(
    // The order and limits are for the planner: of contacts and attempts it must look into the indexes, and read no table.
    `WITH open AS MATERIALIZED (
        SELECT tenant_id, campaign_id, trunk_id, pbx_trunk, node, test FROM attempts WHERE state = 'open'
      ), paced AS MATERIALIZED (${PACED}),
      p AS MATERIALIZED (
        SELECT p.*, t.ports AS tenant_ports, CASE WHEN p.test THEN 'test ' ELSE '' END AS kind
        FROM campaigns p JOIN tenants t ON t.id = p.tenant_id WHERE p.id = ANY($1::uuid[]) AND p.status = 'running'
      ), ways AS MATERIALIZED (${WAYS}),
      free AS MATERIALIZED (
        SELECT p.id FROM p JOIN ways USING (id)
        JOIN (SELECT test, ${NODE_IS_FREE} AS free FROM (VALUES (false), (true)) AS kinds(test)) AS nodes
          ON nodes.test = p.test AND nodes.free
        LEFT JOIN (SELECT campaign_id, count(*) AS n FROM open GROUP BY 1) AS uc ON uc.campaign_id = p.id
        LEFT JOIN (SELECT tenant_id, test, count(*) AS n FROM open GROUP BY 1, 2) AS ut
          ON ut.tenant_id = p.tenant_id AND ut.test = p.test
        WHERE p.tenant_ports > coalesce(ut.n, 0) AND (p.ports IS NULL OR p.ports > coalesce(uc.n, 0))
          AND NOT EXISTS (SELECT FROM paced b WHERE b.scope = p.kind || 'campaign' AND b.id = p.id::text)
          AND NOT EXISTS (SELECT FROM paced b WHERE b.scope = p.kind || 'tenant' AND b.id = p.tenant_id::text)
      )
      SELECT p.id, p.test, p.id IN (SELECT id FROM free) AND coalesce((SELECT a.claimed_at FROM attempts a
            WHERE a.tenant_id = p.tenant_id AND a.campaign_id = p.id ORDER BY a.id DESC LIMIT 1), p.started_at)
          < statement_timestamp() - make_interval(secs => $4) AS stalled
      FROM p
      WHERE EXISTS (SELECT FROM campaign_zones z
        CROSS JOIN (VALUES ('retrying'), ('pending')) AS s(state)
        CROSS JOIN generate_series(1, (SELECT count(*) FROM campaign_trunks ct
          WHERE ct.tenant_id = p.tenant_id AND ct.campaign_id = p.id)) AS l(trunk_from)
        CROSS JOIN LATERAL (SELECT c.due_at FROM contacts c
          WHERE c.tenant_id = z.tenant_id AND c.campaign_id = z.campaign_id AND c.state = s.state
            AND c.state IN ('pending', 'retrying') AND c.trunk_from = l.trunk_from AND c.zones = z.zones
            AND c.priority = z.priority AND c.due_at <= statement_timestamp()
          ORDER BY c.due_at LIMIT 1) AS c
        WHERE z.tenant_id = p.tenant_id AND z.campaign_id = p.id
          AND NOT EXISTS (SELECT FROM unnest($2::uuid[], $3::text[]) AS x(campaign_id, zones)
            WHERE x.campaign_id = z.campaign_id AND x.zones = z.zones))`,
    [campaignIds, closed.map((c) => c.campaignId), closed.map((c) => c.zones), stallSeconds],
  );
  return rows;
}

/** Webhook deliveries that are to be sent yet, and how old the oldest of them is. */
export interface WebhookBacklog {
  deliveries: number;
  oldest_seconds: number | null;
}

/** Of each webhook that is enabled up to `most` are counted, those that are due first. */
export async function findWebhookBacklog(db: Db, most: number): Promise<WebhookBacklog> {
  const { rows } = await db.query<WebhookBacklog>(
    `SELECT count(*)::integer AS deliveries,
        extract(epoch FROM statement_timestamp() - min(d.created_at))::double precision AS oldest_seconds
      FROM webhooks w CROSS JOIN LATERAL (
        SELECT created_at FROM webhook_deliveries
        WHERE webhook_id = w.id AND tenant_id = w.tenant_id AND state = 'pending' ORDER BY next_attempt_at LIMIT $1) AS d
      WHERE w.enabled`,
    [most],
  );
  return rows[0]!;
}

/** Milliseconds that the database's clock is ahead of ours, as well as one answer can tell. */
export async function measureClock(db: Db): Promise<number> {
  const before = Date.now();
  const { rows } = await db.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const after = Date.now();
  return rows[0]!.now.getTime() - (before + after) / 2;
}
