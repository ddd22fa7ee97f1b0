import { parseDelays, type Retryable, type RetryRules } from '../calls/retry.js';
import { type Disposition, type FinalContactState, finalStateOf } from '../calls/states.js';

/** A kind of contact: what its far end does with every call, and so what must become of it. */
export interface Kind {
  /** The last three digits of its numbers, which tell the far end what to do. */
  code: string;
  title: string;
  /** Of a hundred contacts. */
  share: number;
  /** What each of its attempts ends as. */
  disposition: Disposition;
}

export const KINDS: readonly Kind[] = [
  { code: '200', title: 'answers', share: 40, disposition: 'answered' },
  { code: '202', title: 'answers late', share: 10, disposition: 'answered' },
  { code: '203', title: 'hangs up in the message', share: 10, disposition: 'answered' },
  { code: '486', title: 'is busy', share: 14, disposition: 'busy' },
  { code: '180', title: 'does not answer', share: 10, disposition: 'no_answer' },
  { code: '603', title: 'rejects the call', share: 6, disposition: 'rejected' },
  { code: '404', title: 'does not exist', share: 5, disposition: 'invalid_number' },
  { code: '503', title: 'is congested', share: 5, disposition: 'congestion' },
];

/** The campaign's retry rules: seconds where a real one has minutes. */
export const RETRY: RetryRules = { busy: '2s,4s', no_answer: '3s', congestion: '2s*2' };

/** The contacts of the demo, in the order they are called. */
export interface DemoContact {
  number: string;
  kind: Kind;
}

/** How a contact of a kind must end, and after how many attempts. */
export function expectationOf(kind: Kind): { state: FinalContactState; attempts: number } {
  return { state: finalStateOf(kind.disposition), attempts: 1 + delaysOf(kind.disposition).length };
}

/** Seconds to wait after each attempt that ended as `disposition`, as the campaign's rules say. */
export function delaysOf(disposition: Disposition): number[] {
  const rule = RETRY[disposition as Retryable];
  return rule === undefined ? [] : parseDelays(rule);
}

/**
 * `count` contacts, at least one of each kind, mixed. Throws a RangeError for fewer
 * contacts than there are kinds. Their numbers are valid E.164 and differ; none is ever dialled outside this machine.
 */
export function demoContacts(count: number): DemoContact[] {
  if (count < KINDS.length) throw new RangeError(`there are ${KINDS.length} kinds of contacts`);
  const counts = shareOut(count);
  const placed = KINDS.flatMap((kind, k) =>
    Array.from({ length: counts[k]! }, (_, i) => ({
      contact: { number: `+1212${2000 + i}${kind.code}`, kind },
      // Who is tried again comes sooner, so that the retries do not all come last.
      at: ((i + 0.5) / counts[k]!) * (delaysOf(kind.disposition).length > 0 ? 0.7 : 1),
    })),
  );
  return placed.sort((a, b) => a.at - b.at).map(({ contact }) => contact);
}

/** How many contacts of each kind: by share, at least one of each, `count` in all. */
function shareOut(count: number): number[] {
  const exact = KINDS.map(({ share }) => (share / 100) * count);
  const counts = exact.map((value) => Math.max(1, Math.floor(value)));
  const missing = () => count - counts.reduce((sum, n) => sum + n, 0);
  const byRemainder = exact.map((value, i) => ({ i, rest: value % 1 })).sort((a, b) => b.rest - a.rest);
  for (const { i } of byRemainder.slice(0, Math.max(0, missing()))) counts[i]! += 1;
  // The ones that each kind gets may be more than there is room for: the largest give way.
  while (missing() < 0) counts[counts.indexOf(Math.max(...counts))]! -= 1;
  return counts;
}
