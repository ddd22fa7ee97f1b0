import { describe, expect, it } from 'vitest';
import { atMost } from '../../src/api/turns.js';

describe('atMost', () => {
  it('runs no more at once than allowed, in the order they came, and all in the end', async () => {
    const inTurn = atMost(2);
    const started: number[] = [];
    let running = 0;
    let most = 0;
    const work = (n: number) =>
      inTurn(async () => {
        started.push(n);
        most = Math.max(most, ++running);
        for (let i = 0; i < 3; i++) await Promise.resolve();
        running -= 1;
        return n;
      });
    expect(await Promise.all([1, 2, 3, 4, 5].map(work))).toEqual([1, 2, 3, 4, 5]);
    expect(started).toEqual([1, 2, 3, 4, 5]);
    expect(most).toBe(2);
  });

  it('gives the turn on when a work fails', async () => {
    const inTurn = atMost(1);
    const failing = inTurn(() => Promise.reject(new Error('no')));
    const next = inTurn(async () => 'done');
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('done');
    expect(await inTurn(async () => 'again')).toBe('again');
  });
});
