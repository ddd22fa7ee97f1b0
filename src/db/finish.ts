import { isTrunkFault } from '../calls/breaker.js';
import { parseCallId } from '../calls/call-id.js';
import { type ArchiveStatus, dispositionOf } from '../calls/disposition.js';
import type { MachineStatus } from '../calls/machine.js';
import type { HangupReport } from '../calls/report.js';
import { nextStep, type RetryRules, type TrunkOrder } from '../calls/retry.js';
import type { Disposition } from '../calls/states.js';
import type { Tx } from './pool.js';
import {
  countingEnded,
  type EndedCall,
  judgeTrunks,
  mustBeJudged,
  type TrunkVerdict,
} from './trunk-health.js';
import { findTrunkOrders, type OrderedTrunk } from './trunk-order.js';

/** How a call was found to be over. */
export interface Ending {
  callId: string;
  /** The archive's `Status:`; null when Asterisk never wrote it, or there is no archived file. */
  archiveStatus: ArchiveStatus | null;
  /** Decides where nothing needs to be concluded: the file was lost or taken back, or the journal of the node says so. */
  as?: Disposition;
  /** When it ended, as the node's journal tells, which does not know what was heard: src/node/write-back.ts. */
  fromJournal?: Date;
  /** What the hangup handler left in a file; without it, what FastAGI `/hangup` was told counts. */
  report?: HangupReport;
  /** The hangup handler may be at work yet: without its report the attempt is left open this time. */
  reportMayCome?: boolean;
  /** When the PBX was done with it, where that is known. */
  freedAt?: Date;
  /** When the call file was placed, where this process did it, and when Asterisk began the call, as far as the file tells. */
  placedAt?: Date | null;
  begunAt?: Date | null;
}

/** An attempt that `finishAttempts` ended just now. */
export interface FinishedAttempt {
  callId: string;
  campaignId: string;
  contactId: string;
  trunkId: string;
  disposition: Disposition;
  sipStatus: number | null;
  hangupCause: number | null;
  contactState: string;
  /** After how many seconds the contact is due again; null when it is not. */
  retryInSeconds: number | null;
}

interface OpenAttempt {
  tenant_id: string;
  id: string;
  campaign_id: string;
  contact_id: string;
  trunk_id: string;
  test: boolean;
  claimed_at: Date;
  resting_until: Date | null;
  answered_at: Date | null;
  hangup_at: Date | null;
  hangup_cause: number | null;
  sip_status: number | null;
  dial_status: string | null;
  key: string | null;
  machine_status: MachineStatus | null;
  attempts: number;
  /** How many attempts ended as each disposition, apart from those after which the next trunk was tried. */
  ended_as: Partial<Record<Disposition | 'failed_over', number>>;
  campaign_status: string;
  retry: RetryRules;
  max_attempts: number;
}

/** An open attempt, how it was found to be over and what it ended as. */
interface Over {
  attempt: OpenAttempt;
  ending: Ending;
  disposition: Disposition;
}

interface Decision extends Over {
  contactState: string;
  delaySeconds: number;
  trunkFrom: number;
  /** What it counts as in the contact's `ended_as`. */
  countsAs: Disposition | 'failed_over';
}

/** What `finishAttempts` did. */
export interface Finished {
  ended: FinishedAttempt[];
  /** Trunks that rest from now on, or work again. */
  trunks: TrunkVerdict[];
  /** Resolves when it is done: what comes next in the transaction need not wait for it to be sent. */
  written: Promise<unknown>;
}

/**
 * Ends attempts, and nothing else does: disposition, the contact's next state, the campaign's counters, the trunk's health
 * and the freed port, in one transaction, which must have its turn (src/db/turn.ts), and only once. Endings of attempts that
 * have ended already, or never were, change nothing and are left out of what is returned.
 */
export async function finishAttempts(tx: Tx, endings: readonly Ending[]): Promise<Finished> {
  const byCall = new Map(endings.map((e) => [e.callId, e]));
  const ids = [...byCall.keys()].map(parseCallId).filter((id) => id !== null);
  if (ids.length === 0) return NOTHING;
  const keys = [ids.map((i) => i.tenantId), ids.map((i) => i.attemptId)];
  const attempts = await lockOpenAttempts(tx, keys);
  const over = attempts.flatMap((attempt): Over | [] => {
    const ending = byCall.get(`${attempt.tenant_id}.${attempt.id}`)!;
    if (ending.reportMayCome && !ending.report && attempt.hangup_at === null) return [];
    return { attempt, ending, disposition: dispositionFor(attempt, ending) };
  });
  if (over.length === 0) return NOTHING;
  const ending = endAttempts(tx, over);
  // Whoever awaits it hears of an error; that nobody does yet must not end the process.
  ending.catch(() => {});
  // What a journal tells happened long ago.
  const calls = over.filter(({ attempt, ending }) => !attempt.test && !ending.fromJournal).map(endedCallOf);
  const trunks = calls.some(mustBeJudged) ? await judgeTrunks(tx, calls) : [];
  const faulty = over.filter(({ disposition }) => isTrunkFault(disposition));
  const orders = faulty.length > 0 ? await findTrunkOrders(tx, campaignsOf(faulty)) : [];
  const decisions = over.map((one) => decide(one, orders));
  const written = Promise.all([
    ending,
    moveContacts(tx, decisions),
    completeCampaigns(tx, campaignsOf(over)),
  ]);
  written.catch(() => {});
  return { ended: decisions.map(finishedOf), trunks, written };
}

function finishedOf(decision: Decision): FinishedAttempt {
  const { attempt, ending, disposition, contactState, delaySeconds } = decision;
  return {
    callId: `${attempt.tenant_id}.${attempt.id}`,
    campaignId: attempt.campaign_id,
    contactId: attempt.contact_id,
    trunkId: attempt.trunk_id,
    disposition,
    sipStatus: attempt.sip_status ?? ending.report?.sipStatus ?? null,
    hangupCause: attempt.hangup_cause ?? ending.report?.hangupCause ?? null,
    contactState,
    retryInSeconds: contactState === 'retrying' ? delaySeconds : null,
  };
}

const NOTHING: Finished = { ended: [], trunks: [], written: Promise.resolve() };

function campaignsOf(over: readonly Over[]): string[] {
  return [...new Set(over.map(({ attempt }) => attempt.campaign_id))];
}

function dispositionFor(attempt: OpenAttempt, ending: Ending): Disposition {
  const sawAnswer = attempt.answered_at !== null;
  if (ending.as && !(ending.as === 'lost' && sawAnswer)) return ending.as;
  // Machines press no keys: AMD was wrong.
  const sawMachine = attempt.machine_status === 'machine' && attempt.key === null;
  return dispositionOf({
    sipStatus: attempt.sip_status ?? ending.report?.sipStatus ?? null,
    hangupCause: attempt.hangup_cause ?? ending.report?.hangupCause ?? null,
    dialStatus: attempt.dial_status ?? ending.report?.dialStatus ?? null,
    archiveStatus: ending.archiveStatus,
    sawAnswer,
    sawMachine,
    sawChannel: attempt.hangup_at !== null || ending.report !== undefined,
  });
}

function endedCallOf({ attempt, ending, disposition }: Over): EndedCall {
  const { trunk_id, claimed_at, resting_until } = attempt;
  const sip_status = attempt.sip_status ?? ending.report?.sipStatus ?? null;
  return { trunk_id, claimed_at, resting_until, disposition, sip_status };
}

function decide({ attempt, ending, disposition }: Over, orders: readonly OrderedTrunk[]): Decision {
  const { attempts, ended_as, retry } = attempt;
  const step = nextStep(
    disposition,
    { attempts, endedSo: (ended_as[disposition] ?? 0) + 1, failedOver: ended_as.failed_over ?? 0 },
    { retry, maxAttempts: attempt.max_attempts, cancelled: attempt.campaign_status === 'cancelled' },
    orderAfter(attempt, orders),
  );
  const trunkFrom = step.state === 'retrying' ? (step.trunkFrom ?? 1) : 1;
  return {
    attempt,
    ending,
    disposition,
    contactState: step.state,
    delaySeconds: step.state === 'retrying' ? step.delaySeconds : 0,
    trunkFrom,
    countsAs: trunkFrom > 1 ? 'failed_over' : disposition,
  };
}

/** The order as seen from an attempt. One on a trunk that was taken out of it ends the try of all trunks. */
function orderAfter(attempt: OpenAttempt, orders: readonly OrderedTrunk[]): TrunkOrder {
  const order = orders.filter(({ campaign_id }) => campaign_id === attempt.campaign_id);
  const at = order.findIndex(({ trunk_id }) => trunk_id === attempt.trunk_id);
  const next = at < 0 ? undefined : order.slice(at + 1).find(({ usable }) => usable);
  return { trunks: order.length, next: next?.position ?? null };
}

/**
 * Locks those of the attempts that are open: of each the campaign, the attempt, the contact, which is the order in which
 * everything locks.
 */
async function lockOpenAttempts(tx: Tx, keys: string[][]): Promise<OpenAttempt[]> {
  const { rows } = await tx.query<OpenAttempt>({
    name: 'finish-lock-attempts',
    // The trunk is asked for apart: while few attempts were seen, the planner reads all that are open and whatever is joined.
    text: `SELECT a.tenant_id, a.id, a.campaign_id, a.contact_id, a.trunk_id, a.test, a.claimed_at,
        (SELECT tr.resting_until FROM trunks tr WHERE tr.tenant_id = a.tenant_id AND tr.id = a.trunk_id) AS resting_until, a.answered_at,
        a.hangup_at, a.hangup_cause, a.sip_status, a.dial_status, a.key, a.machine ->> 'status' AS machine_status, c.attempts, c.ended_as, p.status AS campaign_status, p.retry, p.max_attempts
      FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
      JOIN attempts a USING (tenant_id, id)
      JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
      JOIN contacts c ON c.tenant_id = a.tenant_id AND c.id = a.contact_id
      WHERE a.state = 'open' ORDER BY a.tenant_id, a.campaign_id, a.id
      FOR NO KEY UPDATE OF p FOR UPDATE OF a FOR UPDATE OF c`,
    values: keys,
  });
  return rows;
}

/**
 * A machine that was heard speaking and hung up on has not been called in silence; whoever picked up and said nothing may well
 * have been a person, whatever AMD calls him.
 */
async function endAttempts(tx: Tx, over: readonly Over[]): Promise<void> {
  const reports = over.map((o) => o.ending.report);
  await tx.query({
    name: 'finish-attempts',
    text: countingEnded(`UPDATE attempts a SET state = 'ended', ended_at = coalesce(d.from_journal, statement_timestamp()), archive_status = d.archive_status,
        placed_at = d.placed_at, begun_at = d.begun_at, disposition = d.disposition,
        hangup_at = coalesce(a.hangup_at, CASE WHEN d.hung_up_by IS NOT NULL THEN statement_timestamp() END),
        hangup_cause = coalesce(a.hangup_cause, d.hangup_cause),
        sip_status = coalesce(a.sip_status, d.sip_status),
        dial_status = coalesce(a.dial_status, d.dial_status),
        hung_up_by = coalesce(a.hung_up_by, d.hung_up_by),
        ring_seconds = coalesce(a.ring_seconds, d.ring_seconds),
        talk_seconds = coalesce(a.talk_seconds, d.talk_seconds),
        silent = d.from_journal IS NULL AND coalesce(a.heard_seconds, 0) = 0
          AND (d.disposition = 'answered' OR d.disposition = 'machine' AND a.machine ->> 'cause' = 'INITIALSILENCE')
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::text[], $8::text[],
        $9::real[], $10::real[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[])
        AS d(tenant_id, id, archive_status, disposition, hangup_cause, sip_status, dial_status, hung_up_by,
          ring_seconds, talk_seconds, placed_at, begun_at, from_journal)
      WHERE a.tenant_id = d.tenant_id AND a.id = d.id`),
    values: [
      over.map((o) => o.attempt.tenant_id),
      over.map((o) => o.attempt.id),
      over.map((o) => o.ending.archiveStatus),
      over.map((o) => o.disposition),
      reports.map((r) => r?.hangupCause ?? null),
      reports.map((r) => r?.sipStatus ?? null),
      reports.map((r) => r?.dialStatus ?? null),
      reports.map((r) => r?.hungUpBy ?? null),
      reports.map((r) => r?.ringSeconds ?? null),
      reports.map((r) => r?.talkSeconds ?? null),
      over.map((o) => o.ending.placedAt ?? null),
      over.map((o) => o.ending.begunAt ?? null),
      over.map((o) => o.ending.fromJournal ?? null),
    ],
  });
}

async function moveContacts(tx: Tx, decisions: Decision[]): Promise<void> {
  await tx.query({
    name: 'finish-contacts',
    text: `UPDATE contacts c SET state = d.state, updated_at = statement_timestamp(),
        due_at = statement_timestamp() + make_interval(secs => d.delay), trunk_from = d.trunk_from,
        ended_as = jsonb_set(c.ended_as, ARRAY[d.counts_as],
          to_jsonb(coalesce((c.ended_as ->> d.counts_as)::integer, 0) + 1))
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::double precision[], $6::smallint[])
        AS d(tenant_id, id, state, counts_as, delay, trunk_from)
      WHERE c.tenant_id = d.tenant_id AND c.id = d.id`,
    values: [
      decisions.map((d) => d.attempt.tenant_id),
      decisions.map((d) => d.attempt.contact_id),
      decisions.map((d) => d.contactState),
      decisions.map((d) => d.countsAs),
      decisions.map((d) => d.delaySeconds),
      decisions.map((d) => d.trunkFrom),
    ],
  });
}

/** Ends those of the campaigns that have no contact left to call. */
export async function completeCampaigns(tx: Tx, campaignIds: string[]): Promise<void> {
  await tx.query({
    name: 'finish-campaigns',
    text: `UPDATE campaigns SET status = 'completed', ended_at = statement_timestamp()
      WHERE id = ANY($1::uuid[]) AND status IN ('running', 'paused') AND pending + calling + retrying = 0`,
    values: [campaignIds],
  });
}
