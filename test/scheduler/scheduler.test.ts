import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createScheduler, type Pass, type Scheduler } from '../../src/scheduler/scheduler.js';

let scheduler: Scheduler;
let next: Pass;
let passes: number;
let finds: number[];
beforeEach(() => {
  vi.useFakeTimers();
  passes = 0;
  finds = [];
  next = { wakeInMs: null, claimed: 0 };
  scheduler = createScheduler({
    pass: async () => {
      passes += 1;
      return next;
    },
    log: pino({ level: 'silent' }),
    onSweepFind: (calls) => finds.push(calls),
  });
});
afterEach(async () => {
  await scheduler.stop();
  vi.useRealTimers();
});

async function started(): Promise<void> {
  scheduler.start();
  await vi.advanceTimersByTimeAsync(0);
}

describe('the scheduler', () => {
  it('tells of calls that its sweep claimed and nothing had told of', async () => {
    await started();
    next = { wakeInMs: null, claimed: 3 };
    await vi.advanceTimersByTimeAsync(2000);
    expect([passes, finds]).toEqual([2, [3]]);
  });

  it('tells nothing of calls that it was woken for, or knew the time of, or found at its start', async () => {
    next = { wakeInMs: 500, claimed: 2 };
    await started();
    await vi.advanceTimersByTimeAsync(500);
    next = { wakeInMs: null, claimed: 4 };
    scheduler.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect([passes, finds]).toEqual([3, []]);
  });

  it('tells nothing of a sweep that finds nothing', async () => {
    await started();
    await vi.advanceTimersByTimeAsync(6000);
    expect([passes, finds]).toEqual([4, []]);
  });
});
