import type { Db, Tx } from './pool.js';

/** A trunk in a campaign's order, as the claim sees it from a node. */
export interface TrunkInOrder {
  position: number;
  trunk_id: string;
  template: string;
  pbx_trunk: string;
  /** What calls show: the campaign's, else the first of the SIP account; null: the trunk's own. */
  caller_id: string | null;
  ports: number;
  rate: number | null;
  pbx_trunk_ports: number | null;
  pbx_trunk_rate: number | null;
  /** Whether some node's PBX has the SIP account as it is now, and the account may show the caller id. */
  usable: boolean;
  /** Whether this node's PBX has it. */
  loaded: boolean;
  /** Milliseconds until its rest is over, 0 or less when calls are tried; null: it does not rest. */
  rests_ms: number | null;
  /** Calls that are up since the rest was over; 0 for one that does not rest. */
  trials: number;
}

/** How the call files of test calls are written, whatever their trunks have. */
export const SANDBOX_TEMPLATE = 'direct';

// An account may show any caller id when it names none.
const MAY_SHOW = `p.caller_id IS NULL OR s.caller_ids = '{}' OR p.caller_id = ANY(s.caller_ids)`;
export const USABLE = `s.id IS NULL OR (${MAY_SHOW}) AND EXISTS (SELECT FROM sip_account_nodes n
  WHERE n.tenant_id = s.tenant_id AND n.id = s.id AND n.revision = s.revision)`;

const LOADED = 's.id IS NULL OR sn.revision IS NOT DISTINCT FROM s.revision';

/**
 * The trunks of a campaign `p` in their order as JSON (TrunkInOrder[]), their number, and whether `node` can dial through one
 * of them with its `templates`. With `test` it is a sandbox, to which every trunk is as good as the other: their calls are all
 * written by SANDBOX_TEMPLATE. The arguments are SQL expressions.
 */
export function trunksInOrder(node: string, templates: string, test: string): string {
  return `SELECT json_agg(json_build_object('position', ct.position, 'trunk_id', tr.id,
      'template', CASE WHEN ${test} THEN '${SANDBOX_TEMPLATE}' ELSE tr.template END,
      'pbx_trunk', tr.pbx_trunk, 'caller_id', coalesce(p.caller_id, s.caller_ids[1]),
      'ports', tr.ports, 'rate', tr.calls_per_second,
      'pbx_trunk_ports', pt.ports, 'pbx_trunk_rate', pt.calls_per_second,
      'usable', ${test} OR ${USABLE}, 'loaded', ${test} OR ${LOADED},
      'rests_ms', CASE WHEN NOT ${test} THEN extract(epoch FROM tr.resting_until - statement_timestamp()) * 1000 END,
      'trials', CASE WHEN tr.resting_until <= statement_timestamp() AND NOT ${test} THEN (SELECT count(*) FROM attempts a
        WHERE a.state = 'open' AND NOT a.test AND a.trunk_id = tr.id AND a.claimed_at >= tr.resting_until) ELSE 0 END
    ) ORDER BY ct.position) AS trunks,
      count(*)::integer AS number, bool_or(${test} OR tr.template = ANY(${templates}) AND (${USABLE}) AND (${LOADED})) AS dialable
    FROM campaign_trunks ct
    JOIN trunks tr ON tr.tenant_id = ct.tenant_id AND tr.id = ct.trunk_id
    JOIN pbx_trunks pt ON pt.name = tr.pbx_trunk
    LEFT JOIN sip_accounts s ON s.tenant_id = tr.tenant_id AND s.id = tr.id
    LEFT JOIN sip_account_nodes sn ON sn.tenant_id = s.tenant_id AND sn.id = s.id AND sn.node = ${node}
    WHERE ct.tenant_id = p.tenant_id AND ct.campaign_id = p.id`;
}

/** A position in a campaign's order, and whether calls may be tried there now. */
export interface OrderedTrunk {
  campaign_id: string;
  trunk_id: string;
  position: number;
  usable: boolean;
}

/** The orders of campaigns. Lock those before: what was read with the statement that locks may be old. */
export async function findTrunkOrders(tx: Tx, campaignIds: readonly string[]): Promise<OrderedTrunk[]> {
  const { rows } = await tx.query<OrderedTrunk>({
    name: 'find-trunk-orders',
    text: `SELECT ct.campaign_id, ct.trunk_id, ct.position,
        p.test OR (${USABLE}) AND (tr.resting_until IS NULL OR tr.resting_until <= statement_timestamp()) AS usable
      FROM campaign_trunks ct
      JOIN campaigns p ON p.tenant_id = ct.tenant_id AND p.id = ct.campaign_id
      JOIN trunks tr ON tr.tenant_id = ct.tenant_id AND tr.id = ct.trunk_id
      LEFT JOIN sip_accounts s ON s.tenant_id = tr.tenant_id AND s.id = tr.id
      WHERE ct.campaign_id = ANY($1::uuid[]) ORDER BY ct.campaign_id, ct.position`,
    values: [campaignIds],
  });
  return rows;
}

/** Gives a campaign its trunks, in place of those that it may have had. Who was failing over begins from the first. */
export async function setTrunkOrder(
  db: Db,
  tenantId: string,
  campaignId: string,
  trunkIds: readonly string[],
): Promise<void> {
  await db.query('DELETE FROM campaign_trunks WHERE tenant_id = $1 AND campaign_id = $2', [
    tenantId,
    campaignId,
  ]);
  await db.query(
    `INSERT INTO campaign_trunks (tenant_id, campaign_id, position, trunk_id)
      SELECT $1, $2, position, trunk_id FROM unnest($3::uuid[]) WITH ORDINALITY AS o(trunk_id, position)`,
    [tenantId, campaignId, trunkIds],
  );
  await db.query(
    `UPDATE contacts SET trunk_from = 1
      WHERE tenant_id = $1 AND campaign_id = $2 AND state = 'retrying' AND trunk_from > 1`,
    [tenantId, campaignId],
  );
}
