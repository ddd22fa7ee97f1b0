import type { Evidence, Violation } from '../verify.js';
import { AFTERMATH_MS, iso } from './group.js';

/** Files that lay in outgoing/ when a campaign was stopped, and that Asterisk was about to begin. */
const STOP_GRACE_MS = 3000;

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
