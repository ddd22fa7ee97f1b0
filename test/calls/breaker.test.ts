import { describe, expect, it } from 'vitest';
import { judgeTrunk, type TrunkHealth } from '../../src/calls/breaker.js';

const now = new Date('2026-11-21T20:00:00Z');
const breaker = { failures: 20, share: 0.5, seconds: 60, rest_seconds: 60 };
const works: TrunkHealth = {
  breaker,
  restingUntil: null,
  now,
  lately: { judged: 0, faults: 0 },
  trials: { judged: 0, faults: 0 },
};
const judge = (over: Partial<TrunkHealth>) => judgeTrunk({ ...works, ...over });

describe('a trunk that works', () => {
  it.each([
    [20, 20, 'rest'],
    [20, 40, 'rest'],
    [20, 41, null],
    [19, 19, null],
    [500, 1001, null],
    [0, 0, null],
  ])('with %i faults in %i calls: %s', (faults, judged, verdict) => {
    expect(judge({ lately: { faults, judged } })).toBe(verdict);
  });

  it('is never rested without a breaker', () => {
    expect(judge({ breaker: null, lately: { faults: 999, judged: 999 } })).toBeNull();
  });
});

describe('a trunk that rests', () => {
  const lately = { faults: 99, judged: 99 };

  it('does so until its time is over, whatever ends on it', () => {
    const restingUntil = new Date(now.getTime() + 1);
    expect(judge({ restingUntil, lately, trials: { judged: 3, faults: 0 } })).toBeNull();
  });

  it.each([
    [0, 0, null],
    [1, 1, 'rest'],
    [3, 3, 'rest'],
    [0, 1, 'work'],
    [2, 3, 'work'],
  ])('after it, with %i faults in %i trials: %s', (faults, judged, verdict) => {
    expect(judge({ restingUntil: now, lately, trials: { judged, faults } })).toBe(verdict);
  });

  it('works again when its breaker is taken away', () => {
    expect(judge({ breaker: null, restingUntil: now })).toBe('work');
  });
});
