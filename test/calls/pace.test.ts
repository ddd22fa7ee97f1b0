import { describe, expect, it } from 'vitest';
import { burstOf, refill, untilToken } from '../../src/calls/pace.js';

describe('a token bucket', () => {
  it('is full when it was never used, and holds at least one call', () => {
    expect(refill(null, 100, 0).tokens).toBe(5);
    expect(burstOf(0.1)).toBe(1);
  });

  it('fills with time up to its burst and never backwards', () => {
    expect(refill({ tokens: 0, refilledAt: 0 }, 10, 50).tokens).toBe(0.5);
    expect(refill({ tokens: 0, refilledAt: 0 }, 10, 60_000).tokens).toBe(1);
    expect(refill({ tokens: 0.5, refilledAt: 1000 }, 10, 0).tokens).toBe(0.5);
  });

  it('tells when the next call may start', () => {
    expect(untilToken({ tokens: 0, refilledAt: 0 }, 10)).toBe(100);
    expect(untilToken({ tokens: 1.2, refilledAt: 0 }, 10)).toBe(0);
  });

  it('lets no more than its rate and one burst through in a second', () => {
    let bucket = refill(null, 20, 0);
    let calls = 0;
    for (let ms = 0; ms < 1000; ms++) {
      bucket = refill(bucket, 20, ms);
      while (bucket.tokens >= 1) {
        bucket = { ...bucket, tokens: bucket.tokens - 1 };
        calls += 1;
      }
    }
    expect(calls).toBeGreaterThanOrEqual(19);
    expect(calls).toBeLessThanOrEqual(21);
  });
});
