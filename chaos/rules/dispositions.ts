import type { FarEndCall } from '../../src/lab/far-end-log.js';
import type { Injected } from '../fault.js';
import type { AttemptRow, Evidence, Violation } from '../verify.js';
import { AFTERMATH_MS, iso } from './group.js';

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
