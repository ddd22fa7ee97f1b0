import type { Disposition } from '../calls/states.js';
import type { Db } from './pool.js';

/** Calls that ended on a trunk within some time, as ITU-T E.425 counts them (src/db/reports.ts). */
export interface CallCounts {
  seizures: number;
  answered: number;
}

/** A call that did not get through a trunk. */
export interface TrunkFailure {
  attempt_id: string;
  campaign_id: string;
  ended_at: Date;
  disposition: Disposition;
  sip_status: number | null;
}

/** How a trunk does; test calls, which do not go through it, are left out. */
export interface TrunkReport {
  ports_in_use: number;
  last_hour: CallCounts;
  last_day: CallCounts;
  /** The latest first. */
  last_failures: TrunkFailure[];
}

const FAILURES_SHOWN = 10;

export async function findTrunkReport(db: Db, tenantId: string, id: string): Promise<TrunkReport> {
  const { rows } = await db.query<{ ports_in_use: number; last_hour: CallCounts; last_day: CallCounts }>(
    `SELECT (SELECT count(*)::integer FROM attempts a
        WHERE a.tenant_id = $1 AND a.trunk_id = $2 AND a.state = 'open' AND NOT a.test) AS ports_in_use,
        json_build_object('seizures', coalesce(sum(seizures) FILTER (WHERE recent), 0),
          'answered', coalesce(sum(answered) FILTER (WHERE recent), 0)) AS last_hour,
        json_build_object('seizures', coalesce(sum(seizures), 0), 'answered', coalesce(sum(answered), 0)) AS last_day
      FROM (SELECT *, at > statement_timestamp() - interval '1 hour' AS recent FROM trunk_slices
        WHERE tenant_id = $1 AND trunk_id = $2 AND at > statement_timestamp() - interval '1 day') AS s`,
    [tenantId, id],
  );
  // The order is that of the index, which holds failures only.
  const { rows: last_failures } = await db.query<TrunkFailure>(
    `SELECT id AS attempt_id, campaign_id, ended_at, disposition, sip_status FROM attempts
      WHERE tenant_id = $1 AND trunk_id = $2 AND NOT test AND disposition IN ('congestion', 'unreachable', 'failed')
      ORDER BY ended_at DESC LIMIT ${FAILURES_SHOWN}`,
    [tenantId, id],
  );
  return { ...rows[0]!, last_failures };
}
