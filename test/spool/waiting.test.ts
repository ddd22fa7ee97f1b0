import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FoundFile } from '../../src/spool/inventory.js';
import { createWaitingWatch, Waiting } from '../../src/spool/waiting.js';
import { begin, CONTENT, makeSpool, newCall, type TempSpool } from './temp-spool.js';

let temp: TempSpool;
beforeEach(async () => {
  temp = await makeSpool();
});
afterEach(() => {
  vi.useRealTimers();
  return temp.remove();
});

async function put(): Promise<string> {
  const { name } = newCall();
  await writeFile(join(temp.spool.outgoing, name), CONTENT);
  return name;
}

const later = (seconds: number) =>
  vi.useFakeTimers({ toFake: ['Date'], now: vi.getRealSystemTime() + seconds * 1000 });

describe('a file that Asterisk does not take', () => {
  it('is seen once, when it has waited for longer than Asterisk takes', async () => {
    const reconcile = vi.fn(async () => {});
    const watch = createWaitingWatch(temp.spool, reconcile);
    await put();
    expect(await watch()).toBe(0);
    expect(reconcile).not.toHaveBeenCalled();
    later(3);
    expect(await watch()).toBe(1);
    expect(reconcile).toHaveBeenCalledTimes(1);
    expect(await watch()).toBe(0);
    await put();
    later(6);
    expect(await watch()).toBe(1);
    expect(reconcile).toHaveBeenCalledTimes(2);
  });

  it('is none of a call that has begun, and none of somebody else', async () => {
    const reconcile = vi.fn(async () => {});
    const watch = createWaitingWatch(temp.spool, reconcile);
    begin(temp.spool.outgoing, await put());
    await writeFile(join(temp.spool.outgoing, 'doorbell.call'), CONTENT);
    later(3);
    expect(await watch()).toBe(0);
    expect(reconcile).not.toHaveBeenCalled();
  });

  it('is told of half as often each time, and untaken after 10 s', () => {
    const start = Date.now();
    const { callId, name } = newCall();
    const waiting = new Waiting();
    let writtenAt = new Date(start);
    const told: number[] = [];
    const untaken: number[] = [];
    for (let second = 0; second <= 400; second++) {
      const now = new Date(start + second * 1000);
      const file = { callId, name, file: 'outgoing', begunAt: null, writtenAt } as FoundFile;
      waiting.look([file], now);
      if (waiting.untaken) untaken.push(second);
      if (now.getTime() - writtenAt.getTime() < waiting.patienceSeconds(file, 2.5) * 1000) continue;
      told.push(second);
      writtenAt = now;
    }
    expect(told).toEqual([3, 6, 12, 24, 48, 96, 156, 216, 276, 336, 396]);
    expect(untaken[0]).toBe(10);
    expect(waiting.untaken).toEqual({ files: 1, since: new Date(start) });
  });
});
