import { nextStep } from '../../src/calls/retry.js';
import type { Disposition } from '../../src/calls/states.js';
import type { FarEndCall } from '../../src/lab/far-end-log.js';
import type { Evidence, Violation } from '../verify.js';
import { group, iso } from './group.js';

/** What is written back from the journal has whole milliseconds of a clock that is not the database's (src/spool/journal.ts). */
const WRITTEN_BACK_MS = 20;

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
        next.claimed_at.getTime() + WRITTEN_BACK_MS < attempt.ended_at.getTime() + step.delaySeconds * 1000
      )
        violations.push({ rule, what: `${what}, sooner than ${step.delaySeconds} s` });
    }
  }
  return violations;
}
