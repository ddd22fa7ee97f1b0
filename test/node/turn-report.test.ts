import { beforeEach, describe, expect, it } from 'vitest';
import type { Ending, FinishedAttempt } from '../../src/db/finish.js';
import type { OpenCall } from '../../src/node/open-calls.js';
import { createTurnReport, type TurnReport } from '../../src/node/turn-report.js';

let told: Record<'claimed' | 'placedWithin' | 'refilled' | 'placed' | 'ended', number[]>;
let report: TurnReport;
beforeEach(() => {
  told = { claimed: [], placedWithin: [], refilled: [], placed: [], ended: [] };
  report = createTurnReport({
    claimed: (seconds) => told.claimed.push(seconds),
    placedWithin: (seconds) => told.placedWithin.push(seconds),
    refilled: (seconds) => told.refilled.push(seconds),
    placed: (calls) => told.placed.push(calls.length),
    ended: (attempts) => told.ended.push(attempts.length),
  });
});

const ending = (callId: string, secondsAgo?: number): Ending => ({
  callId,
  archiveStatus: null,
  ...(secondsAgo === undefined ? {} : { freedAt: new Date(Date.now() - secondsAgo * 1000) }),
});
const ended = (...callIds: string[]) => callIds.map((callId) => ({ callId }) as FinishedAttempt);
const calls = (count: number) => Array.from({ length: count }, () => ({}) as OpenCall);
const times = { began: 1000, committed: 1500 };

describe('what a turn tells', () => {
  it('is how long it took, and how long the ports were empty that it filled again', () => {
    report.ended([ending('a', 2), ending('b', 60), ending('c', 1)], ended('a', 'b', 'c'));
    report.turned(2, calls(2), times);
    expect(told).toMatchObject({ claimed: [0.5], placed: [2], ended: [3] });
    expect(told.refilled.map(Math.round)).toEqual([2, 60]);
  });

  it('leaves out ports that stay empty, and calls that have not ended', () => {
    report.ended([ending('a', 2), ending('waits', 1), ending('lost')], ended('a', 'lost'));
    report.turned(0, [], times);
    report.turned(1, calls(1), times);
    expect(told).toMatchObject({ refilled: [], claimed: [0.5] });
  });

  it('counts what was freed while no turn went through', () => {
    report.ended([ending('a', 5)], ended('a'));
    report.ended([ending('b', 3)], ended('b'));
    report.turned(2, calls(2), times);
    expect(told.refilled.map(Math.round)).toEqual([5, 3]);
  });
});
