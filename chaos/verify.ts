import { nextStep, type RetryRules } from '../src/calls/retry.js';
import { CONTACT_STATES, type Disposition, OPEN_CONTACT_STATES } from '../src/calls/states.js';
import type { FarEndCall } from '../src/lab/far-end-log.js';
import type { Injected } from './fault.js';
import type { Stop } from './load.js';

/** An attempt as the database has it. */
export interface AttemptRow {
  /** `<tenant id>.<attempt id>`: the mark of its INVITE. */
  call: string;
  campaign_id: string;
  contact_id: string;
  number: string;
  ordinal: number;
  state: string;
  disposition: string | null;
  /** Answered, and nothing was heard. */
  silent: boolean;
  claimed_at: Date;
  ended_at: Date | null;
}

export interface ContactRow {
  id: string;
  campaign_id: string;
  number: string;
  state: string;
  attempts: number;
}

/** A campaign with its counters: how many contacts are in each state. */
export type CampaignRow = {
  id: string;
  name: string;
  status: string;
  retry: RetryRules;
  max_attempts: number;
  attempts: number;
} & Partial<Record<string, unknown>>;

/** All that a run left behind: what the far end saw, and what the database says. */
export interface Evidence {
  calls: readonly FarEndCall[];
  attempts: readonly AttemptRow[];
  contacts: readonly ContactRow[];
  campaigns: readonly CampaignRow[];
  stops: readonly Stop[];
  faults: readonly Injected[];
}

/** A rule that does not hold, and where. */
export interface Violation {
  rule: string;
  what: string;
}

/** How much later than a fault something may show that it caused. */
const AFTERMATH_MS = 2000;
/** Files that lay in outgoing/ when a campaign was stopped, and that Asterisk was about to begin. */
const STOP_GRACE_MS = 3000;

/** Holds what the far end saw against the database, by every rule. */
export function verify(evidence: Evidence): Violation[] {
  return [
    ...invitesWithoutAttempt(evidence),
    ...calledTwice(evidence),
    ...calledTooOften(evidence),
    ...notEnded(evidence),
    ...countersWrong(evidence),
    ...dialledAfterStop(evidence),
    ...dispositionsWrong(evidence),
  ];
}

/** Every INVITE belongs to exactly one attempt, and dials its number. */
export function invitesWithoutAttempt({ calls, attempts, faults }: Evidence): Violation[] {
  const rule = 'every INVITE belongs to exactly one attempt';
  const byCall = new Map(attempts.map((attempt) => [attempt.call, attempt]));
  const isForgotten = (call: FarEndCall) =>
    faults.some(({ allows, goneAt }) => allows?.forgotten && call.invitedAt <= goneAt);
  return calls.flatMap((call): Violation | [] => {
    const attempt = byCall.get(call.mark ?? '');
    if (attempt) {
      if (attempt.number === call.number) return [];
      return { rule, what: `attempt ${attempt.call} is to ${attempt.number}, its INVITE to ${call.number}` };
    }
    if (isForgotten(call)) return [];
    return {
      rule,
      what: `INVITE to ${call.number} at ${iso(call.invitedAt)} names ${call.mark ?? 'no attempt'}`,
    };
  });
}

/** Every attempt has at most one INVITE. The far end's log has one line a call, however often a packet was repeated. */
export function calledTwice({ calls }: Evidence): Violation[] {
  return [...group(calls, ({ mark }) => mark ?? '')].flatMap(([mark, same]): Violation | [] => {
    if (mark === '' || same.length < 2) return [];
    const times = same.map(({ invitedAt }) => iso(invitedAt)).join(', ');
    return { rule: 'every attempt has at most one INVITE', what: `${mark} (${same[0]!.number}): ${times}` };
  });
}

/** No contact was called more often, or earlier again, than its campaign's rules allow. */
export function calledTooOften({ attempts, campaigns, stops }: Evidence): Violation[] {
  const rule = 'no contact is called more often than its rules allow';
  const rules = new Map(campaigns.map((campaign) => [campaign.id, campaign]));
  const violations: Violation[] = [];
  for (const tries of group(attempts, ({ contact_id }) => contact_id).values()) {
    const inOrder = tries.toSorted((a, b) => a.claimed_at.getTime() - b.claimed_at.getTime());
    const campaign = rules.get(inOrder[0]!.campaign_id);
    if (!campaign) continue;
    const endedAs = new Map<string, number>();
    for (const [i, attempt] of inOrder.entries()) {
      const next = inOrder[i + 1];
      if (!next) break;
      const disposition = attempt.disposition as Disposition;
      endedAs.set(disposition, (endedAs.get(disposition) ?? 0) + 1);
      const step = nextStep(
        disposition,
        { attempts: i + 1, endedSo: endedAs.get(disposition)!, failedOver: 0 },
        {
          retry: campaign.retry,
          maxAttempts: campaign.max_attempts,
          cancelled: stops.some(
            ({ campaignId, how, at }) =>
              campaignId === campaign.id &&
              how === 'cancel' &&
              attempt.ended_at !== null &&
              attempt.ended_at.getTime() > at,
          ),
        },
        { trunks: 1, next: null },
      );
      const what = `${attempt.number}: attempt ${i + 2} after ${disposition}`;
      if (step.state !== 'retrying') violations.push({ rule, what });
      else if (
        !attempt.ended_at ||
        next.claimed_at.getTime() < attempt.ended_at.getTime() + step.delaySeconds * 1000
      )
        violations.push({ rule, what: `${what}, sooner than ${step.delaySeconds} s` });
    }
  }
  return violations;
}

/** Every contact ended, every attempt has a disposition, no port is held. */
export function notEnded({ attempts, contacts, campaigns }: Evidence): Violation[] {
  const open: readonly string[] = OPEN_CONTACT_STATES;
  const status = new Map(campaigns.map((campaign) => [campaign.id, campaign.status]));
  return [
    ...campaigns
      .filter((campaign) => !['completed', 'cancelled', 'paused'].includes(campaign.status))
      .map(({ name, status }) => ({ rule: 'every campaign ends', what: `campaign ${name} is ${status}` })),
    ...contacts
      .filter(({ state, campaign_id }) =>
        status.get(campaign_id) === 'paused' ? state === 'calling' : open.includes(state),
      )
      .map(({ number, state }) => ({ rule: 'every contact ends', what: `${number} is ${state}` })),
    ...attempts
      .filter(({ state }) => state !== 'ended')
      .map(({ call, number }) => ({ rule: 'no port is held', what: `attempt ${call} to ${number} is open` })),
    ...attempts
      .filter(({ state, disposition }) => state === 'ended' && disposition === null)
      .map(({ call }) => ({ rule: 'every attempt has a disposition', what: call })),
  ];
}

/** The counters that are kept equal a count. */
export function countersWrong({ attempts, contacts, campaigns }: Evidence): Violation[] {
  const rule = 'the counters equal a count';
  const triesOf = group(attempts, ({ contact_id }) => contact_id);
  const contactsOf = group(contacts, ({ campaign_id }) => campaign_id);
  const violations: Violation[] = [];
  for (const { id, number, attempts: kept } of contacts) {
    const counted = triesOf.get(id)?.length ?? 0;
    if (kept !== counted) violations.push({ rule, what: `${number}: attempts ${kept}, counted ${counted}` });
  }
  for (const campaign of campaigns) {
    const own = contactsOf.get(campaign.id) ?? [];
    const counts: Record<string, number> = {
      attempts: own.reduce((sum, contact) => sum + contact.attempts, 0),
    };
    for (const state of CONTACT_STATES)
      counts[state] = own.filter((contact) => contact.state === state).length;
    for (const [counter, counted] of Object.entries(counts)) {
      const kept = Number(campaign[counter]);
      if (kept !== counted)
        violations.push({ rule, what: `campaign ${campaign.name}: ${counter} ${kept}, counted ${counted}` });
    }
  }
  return violations;
}

/** Nothing of a stopped campaign is claimed after the stop, nor dialled after the grace. */
export function dialledAfterStop({ calls, attempts, stops, faults }: Evidence): Violation[] {
  const rule = 'nothing of a stopped campaign is dialled';
  const byCall = new Map(calls.map((call) => [call.mark, call]));
  return stops.flatMap(({ campaignId, how, at }) => {
    // Asterisk may have been away, or had no time, when the file came.
    const held = faults.filter(
      ({ startedAt, goneAt }) => goneAt > at - AFTERMATH_MS && startedAt < at + STOP_GRACE_MS,
    );
    const until = Math.max(at, ...held.map(({ goneAt }) => goneAt)) + STOP_GRACE_MS;
    return attempts
      .filter(({ campaign_id }) => campaign_id === campaignId)
      .flatMap((attempt): Violation | [] => {
        const invitedAt = byCall.get(attempt.call)?.invitedAt ?? 0;
        const what = `${attempt.number}, ${how} at ${iso(at)}`;
        if (attempt.claimed_at.getTime() > at)
          return { rule, what: `${what}, claimed ${attempt.claimed_at.toISOString()}` };
        return invitedAt > until ? { rule, what: `${what}, INVITE ${iso(invitedAt)}` } : [];
      });
  });
}

const BY_STATUS: Record<number, string> = {
  486: 'busy',
  404: 'invalid_number',
  603: 'rejected',
  503: 'congestion',
  480: 'no_answer',
  487: 'no_answer',
};

/** Attempts end as the far end saw them end, apart from those that a fault is documented to leave untold. */
export function dispositionsWrong({ calls, attempts, faults }: Evidence): Violation[] {
  const rule = 'an attempt ends as the far end saw it';
  const byCall = new Map(calls.map((call) => [call.mark, call]));
  return attempts.flatMap((attempt): Violation | [] => {
    if (attempt.disposition === null) return [];
    const call = byCall.get(attempt.call);
    const expected = call ? seenAs(call) : ['cancelled'];
    if (expected.includes(attempt.disposition)) return [];
    if (isAllowed(attempt, faults)) return [];
    const saw = call
      ? `${expected.join(' or ')} (${call.finalStatus ?? 'no answer'}, INVITE ${iso(call.invitedAt)})`
      : 'nothing';
    return {
      rule,
      what: `${attempt.number} ${attempt.call}: ${attempt.disposition}, the far end saw ${saw}`,
    };
  });
}

/** What a call was, by the far end alone. One that it never answered a packet of is `no_answer` behind an admin's Dial(). */
function seenAs({ answeredAt, finalStatus }: FarEndCall): string[] {
  if (answeredAt !== null) return ['answered'];
  return finalStatus === null ? ['unreachable', 'no_answer'] : [BY_STATUS[finalStatus] ?? 'failed'];
}

function isAllowed({ disposition, claimed_at, ended_at }: AttemptRow, faults: readonly Injected[]): boolean {
  const until = ended_at?.getTime() ?? Number.POSITIVE_INFINITY;
  return faults.some(
    ({ allows, startedAt, goneAt }) =>
      allows?.dispositions?.includes(disposition!) &&
      startedAt <= until &&
      goneAt + AFTERMATH_MS >= claimed_at.getTime(),
  );
}

function group<T>(elements: readonly T[], keyOf: (element: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const element of elements) {
    const key = keyOf(element);
    const same = groups.get(key);
    if (same) same.push(element);
    else groups.set(key, [element]);
  }
  return groups;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
