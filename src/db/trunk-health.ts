import { type Breaker, isTrunkFault, judgeTrunk, TRUNK_FAULTS } from '../calls/breaker.js';
import { causeOf } from '../calls/cause.js';
import type { Disposition } from '../calls/states.js';
import type { Db, Tx } from './pool.js';
import { SEIZURE } from './reports.js';

/** A call that has just ended on a trunk. */
export interface EndedCall {
  trunk_id: string;
  claimed_at: Date;
  disposition: Disposition;
  sip_status: number | null;
  /** Until when its trunk rests, or did; null: it does not. */
  resting_until: Date | null;
}

/** A trunk that rests from now on, or works again. */
export interface TrunkVerdict {
  tenantId: string;
  trunkId: string;
  verdict: 'rest' | 'work';
  /** Why it rests, for a person; null when it works. */
  reason: string | null;
  restSeconds: number;
}

const SLICE = '10 seconds';
const quoted = TRUNK_FAULTS.map((disposition) => `'${disposition}'`).join(', ');

/**
 * Adds attempts that are ended by `update`, an UPDATE of attempts `a`, to the counts of their trunks. Those that were taken
 * back or lost tell nothing of a trunk, and test calls are not counted at all.
 */
export function countingEnded(update: string): string {
  return `WITH ended AS (${update} RETURNING a.*)
    INSERT INTO trunk_slices AS s (tenant_id, trunk_id, at, seizures, answered, judged, faults)
    SELECT tr.tenant_id, tr.id, date_bin('${SLICE}', statement_timestamp(), timestamptz 'epoch'),
      count(*) FILTER (WHERE ${SEIZURE}), count(*) FILTER (WHERE a.disposition IN ('answered', 'machine')),
      count(*) FILTER (WHERE a.disposition NOT IN ('cancelled', 'lost')),
      count(*) FILTER (WHERE a.disposition IN (${quoted}))
    FROM ended a JOIN trunks tr ON tr.tenant_id = a.tenant_id AND tr.id = a.trunk_id WHERE NOT a.test GROUP BY 1, 2
    ON CONFLICT (trunk_id, at, tenant_id) DO UPDATE SET seizures = s.seizures + excluded.seizures,
      answered = s.answered + excluded.answered, judged = s.judged + excluded.judged,
      faults = s.faults + excluded.faults`;
}

/** Whether `judgeTrunks` may have anything to say. */
export function mustBeJudged(call: EndedCall): boolean {
  return isTrunkFault(call.disposition) || call.resting_until !== null;
}

/**
 * Rests trunks that keep failing and ends the rest of those that work again, by calls that have just ended and were counted;
 * the transaction must have its turn (src/db/turn.ts). Returns those whose state changed.
 */
export async function judgeTrunks(tx: Tx, calls: readonly EndedCall[]): Promise<TrunkVerdict[]> {
  const ids = [...new Set(calls.filter(mustBeJudged).map(({ trunk_id }) => trunk_id))];
  const trunks = await findTrunkHealth(tx, ids);
  const verdicts = trunks.flatMap((trunk) => judge(trunk, calls));
  if (verdicts.length > 0) await saveVerdicts(tx, verdicts);
  return verdicts;
}

function judge(trunk: TrunkHealthRow, calls: readonly EndedCall[]): TrunkVerdict | [] {
  const { tenant_id, id, breaker, resting_until, now, judged, faults } = trunk;
  const own = calls.filter(({ trunk_id }) => trunk_id === id);
  const began = own.filter(({ claimed_at }) => resting_until !== null && claimed_at >= resting_until);
  const tells = began.filter(({ disposition }) => disposition !== 'cancelled' && disposition !== 'lost');
  const faulty = own.filter(({ disposition }) => isTrunkFault(disposition));
  const trials = {
    judged: tells.length,
    faults: tells.filter(({ disposition }) => isTrunkFault(disposition)).length,
  };
  const lately = { judged, faults };
  const verdict = judgeTrunk({ breaker, restingUntil: resting_until, now, lately, trials });
  if (!verdict) return [];
  const what = resting_until
    ? 'the calls tried after its rest failed too'
    : `${faults} of its last ${judged} calls failed`;
  return {
    tenantId: tenant_id,
    trunkId: id,
    verdict,
    reason: verdict === 'rest' ? `${what}${whyOf(faulty.at(-1))}` : null,
    restSeconds: verdict === 'rest' ? breaker!.rest_seconds : 0,
  };
}

function whyOf(call: EndedCall | undefined): string {
  if (!call) return '';
  const cause = causeOf(call);
  if (cause !== null) return `; ${cause}`;
  return call.sip_status === null ? '' : ` (SIP ${call.sip_status})`;
}

interface TrunkHealthRow {
  tenant_id: string;
  id: string;
  breaker: Breaker | null;
  resting_until: Date | null;
  now: Date;
  judged: number;
  faults: number;
}

async function findTrunkHealth(tx: Tx, trunkIds: readonly string[]): Promise<TrunkHealthRow[]> {
  const { rows } = await tx.query<TrunkHealthRow>({
    name: 'find-trunk-health',
    // A slice counts when all of it is within the time: nothing older than that is judged.
    text: `SELECT tr.tenant_id, tr.id, tr.breaker, tr.resting_until, statement_timestamp() AS now,
        l.judged, l.faults
      FROM trunks tr CROSS JOIN LATERAL (
        SELECT coalesce(sum(s.judged), 0)::integer AS judged, coalesce(sum(s.faults), 0)::integer AS faults
        FROM trunk_slices s WHERE s.tenant_id = tr.tenant_id AND s.trunk_id = tr.id
          AND s.at > statement_timestamp() - make_interval(secs => (tr.breaker ->> 'seconds')::double precision)
      ) AS l
      WHERE tr.id = ANY($1::uuid[])`,
    values: [trunkIds],
  });
  return rows;
}

async function saveVerdicts(tx: Tx, verdicts: readonly TrunkVerdict[]): Promise<void> {
  await tx.query({
    name: 'save-trunk-verdicts',
    text: `UPDATE trunks t SET
        resting_since = CASE WHEN v.reason IS NOT NULL THEN coalesce(t.resting_since, statement_timestamp()) END,
        resting_until = CASE WHEN v.reason IS NOT NULL THEN statement_timestamp() + make_interval(secs => v.seconds) END,
        resting_reason = v.reason
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::double precision[]) AS v(tenant_id, id, reason, seconds)
      WHERE t.tenant_id = v.tenant_id AND t.id = v.id`,
    values: [
      verdicts.map((v) => v.tenantId),
      verdicts.map((v) => v.trunkId),
      verdicts.map((v) => v.reason),
      verdicts.map((v) => v.restSeconds),
    ],
  });
  const working = verdicts.filter(({ verdict }) => verdict === 'work').map(({ trunkId }) => trunkId);
  if (working.length > 0) await judgeAnew(tx, working);
}

/** What ended on the trunks so far is not held against them any more. */
export async function judgeAnew(db: Db, trunkIds: readonly string[]): Promise<void> {
  await db.query(
    `UPDATE trunk_slices SET judged = 0, faults = 0
      WHERE trunk_id = ANY($1::uuid[]) AND at > statement_timestamp() - interval '2 hours' AND judged > 0`,
    [trunkIds],
  );
}

/** Forgets counts that are too old for any report; returns how many slices. */
export async function forgetTrunkCounts(db: Db): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM trunk_slices WHERE at < statement_timestamp() - interval '25 hours'`,
  );
  return rowCount ?? 0;
}
