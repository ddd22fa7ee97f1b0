import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FarEndCall, FarEndLog, maxConcurrent } from '../../src/lab/far-end-log.js';
import { packageRoot } from '../../src/root.js';

// Written by SIPp 3.8.0 in calls from Asterisk 22.10.1.
const text = readFileSync(join(packageRoot, 'test/lab/fixtures/far-end-calls.log'), 'utf8');

function read(...chunks: string[]): FarEndCall[] {
  const log = new FarEndLog();
  for (const chunk of chunks) log.push(chunk);
  return log.calls();
}

function callTo(suffix: string): FarEndCall {
  return read(text).find((call) => call.number.endsWith(suffix))!;
}

describe('FarEndLog', () => {
  it('tells a call that was refused from one that was answered and one that was cancelled', () => {
    expect(callTo('486')).toMatchObject({ number: '+15550000486', from: '+15550001111', finalStatus: 486 });
    expect(callTo('486')).toMatchObject({ answeredAt: null, cancelled: false });
    expect(callTo('203')).toMatchObject({ finalStatus: 200, cancelled: false });
    expect(callTo('180')).toMatchObject({ finalStatus: 487, cancelled: true, answeredAt: null });
  });

  it('keeps the times of the wire to the microsecond', () => {
    const { invitedAt, answeredAt, endedAt } = callTo('203');
    expect(invitedAt).toBeCloseTo(1795291501993.278, 2);
    expect(endedAt! - answeredAt!).toBeCloseTo(503, 0);
    expect(callTo('180').endedAt! - callTo('180').invitedAt).toBeGreaterThan(5000);
  });

  it('has the header of the INVITE that the far end was told to write down', () => {
    const line = (fields: string) => `2026-11-22\t08:00:00.1\t1795291500.100000 id-1 invite ${fields}\n`;
    expect(read(line('+15550000486 +15550001111 - t.a1'))[0]).toMatchObject({ mark: 't.a1' });
    expect(read(line('+15550000486 +15550001111 - t.a1'))[0]).not.toHaveProperty('account');
    expect(read(line('+15550000486 +15550001111 -'))[0]).not.toHaveProperty('mark');
    expect(read(line('+15550000486 +15550001111 acme'))[0]).toMatchObject({ account: 'acme' });
  });

  it('leaves a call open that never heard anything', () => {
    expect(callTo('999')).toMatchObject({
      answeredAt: null,
      endedAt: null,
      finalStatus: null,
      cancelled: false,
    });
  });

  it('takes a challenge and the INVITE with credentials as one call', () => {
    const challenged = read(text).filter((call) => /40[17]$/.test(call.number));
    expect(challenged.map((call) => call.finalStatus)).toEqual([200, 200]);
    for (const call of challenged) expect(call.endedAt).toBeGreaterThan(call.answeredAt!);
  });

  it('reads the same calls however the log is cut into chunks', () => {
    const whole = read(text);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 12 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), text.length];
        expect(read(...edges.slice(1).map((end, i) => text.slice(edges[i], end)))).toEqual(whole);
      }),
    );
  });

  it('waits for the end of a line that is half written', () => {
    const log = new FarEndLog();
    log.push('2026-11-21\t20:04:50.9\t1795291490.967971 id invite +15550000486 anonym');
    expect(log.calls()).toEqual([]);
    log.push('ous\n');
    expect(log.calls()).toMatchObject([{ number: '+15550000486', from: 'anonymous' }]);
  });

  it('adds the + that a trunk may leave out, and passes over what it does not know', () => {
    const lines = '\nnonsense\nd\tt\t1.5 a bye\nd\tt\t2.5 b invite 4930123 100\nd\tt\t3.5 b hums\n';
    expect(read(lines)).toMatchObject([{ callId: 'b', number: '+4930123', from: '100', invitedAt: 2500 }]);
  });

  it('hands out copies', () => {
    const log = new FarEndLog();
    log.push(text);
    log.calls()[0]!.number = 'changed';
    expect(log.calls()[0]!.number).not.toBe('changed');
  });
});

describe('maxConcurrent', () => {
  const call = (number: string, invitedAt: number, endedAt: number | null): FarEndCall => ({
    ...{ callId: `${number}-${invitedAt}`, number, from: '', invitedAt, endedAt },
    ...{ answeredAt: null, finalStatus: null, cancelled: false },
  });

  it('counts the most calls at one instant', () => {
    expect(maxConcurrent([call('+1', 0, 10), call('+2', 5, 15), call('+3', 9, 12), call('+4', 16, 20)])).toBe(
      3,
    );
    expect(maxConcurrent([])).toBe(0);
  });

  it('does not count a call that begins as another ends', () => {
    expect(maxConcurrent([call('+1', 0, 10), call('+2', 10, 20)])).toBe(1);
  });

  it('counts a call that has not ended to the end', () => {
    expect(maxConcurrent([call('+1', 0, null), call('+2', 50, 60), call('+3', 70, null)])).toBe(2);
  });

  it('forgives a BYE that comes late by no more than the slack', () => {
    const refused = [call('+1', 0, 12), call('+2', 10, 20)];
    expect(maxConcurrent(refused, { slackMs: 50 })).toBe(2);
    const calls = refused.map((one) => ({ ...one, answeredAt: one.invitedAt }));
    expect([1, 2, 50].map((slackMs) => maxConcurrent(calls, { slackMs }))).toEqual([2, 1, 1]);
  });

  it('looks only at the numbers that are wanted', () => {
    const calls = [call('+491', 0, 10), call('+492', 0, 10), call('+1', 0, 10)];
    expect(maxConcurrent(calls, { wanted: (number) => number.startsWith('+49') })).toBe(2);
  });
});
