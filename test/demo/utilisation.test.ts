import { describe, expect, it } from 'vitest';
import type { Disposition } from '../../src/calls/states.js';
import { dueSpans, type TimedAttempt, utilisationOf } from '../../src/demo/utilisation.js';

const noRetries = () => [];
const attempt = (
  contactId: string,
  from: number,
  to: number,
  disposition: Disposition = 'answered',
): TimedAttempt => ({ contactId, claimedAt: from * 1000, endedAt: to * 1000, disposition });

/** In seconds, as the tests say it. */
function utilisation(
  attempts: TimedAttempt[],
  ports: number,
  delays: (d: Disposition) => number[] = noRetries,
) {
  const busy = attempts.map(({ claimedAt, endedAt }) => ({ from: claimedAt, to: endedAt }));
  return utilisationOf(busy, dueSpans(attempts, 0, delays), ports);
}

describe('port utilisation', () => {
  it('is whole when a port is never free while somebody waits for it', () => {
    const attempts = [attempt('a', 0, 2), attempt('b', 0, 3), attempt('c', 2, 5), attempt('d', 3, 4)];
    expect(utilisation(attempts, 2)).toEqual({ share: 1, dueSeconds: 3 });
  });

  it('leaves out the end, when nobody waits any more', () => {
    // From second 1 on only one of two ports is in use, and nobody is due.
    expect(utilisation([attempt('a', 0, 1), attempt('b', 0, 9), attempt('c', 1, 2)], 2)).toEqual({
      share: 1,
      dueSeconds: 1,
    });
  });

  it('counts a port that stays free while somebody waits', () => {
    // The second port is taken a second late.
    expect(utilisation([attempt('a', 0, 4), attempt('b', 1, 4)], 2)).toEqual({ share: 0.5, dueSeconds: 1 });
  });

  it('takes a retry to be due when its delay is over, and not before', () => {
    const attempts = [attempt('a', 0, 1, 'busy'), attempt('a', 5, 6, 'busy'), attempt('a', 9, 10, 'busy')];
    const delays = () => [2, 3];
    // Due from 3 to 5, and at 9 called at once.
    expect(dueSpans(attempts, 0, delays)).toEqual([{ from: 3000, to: 5000 }]);
    expect(utilisation(attempts, 1, delays)).toEqual({ share: 0, dueSeconds: 2 });
  });

  it('merges the waits of several contacts', () => {
    const attempts = [attempt('a', 1, 9), attempt('b', 2, 9), attempt('c', 2, 9)];
    expect(dueSpans(attempts, 0, noRetries)).toEqual([{ from: 0, to: 2000 }]);
  });

  it('is whole when nobody ever waited', () => {
    expect(utilisation([attempt('a', 0, 1)], 4)).toEqual({ share: 1, dueSeconds: 0 });
  });
});
