import { beforeEach, describe, expect, it } from 'vitest';
import { createDoubts, type Doubts } from '../../src/spool/doubts.js';
import type { FoundFile } from '../../src/spool/inventory.js';
import { ago, newCall } from './temp-spool.js';

let time: number;
let up: Set<string> | null;
let asked: number;
let doubts: Doubts;
beforeEach(() => {
  time = 0;
  up = new Set();
  asked = 0;
  doubts = createDoubts(
    async () => {
      asked += 1;
      return up;
    },
    () => time,
  );
});

function file(begunAt: Date | null): FoundFile {
  const { callId, name } = newCall();
  const since = ago(5);
  return { callId, name, file: 'outgoing', directory: '', since, begunAt, sameRun: null, writtenAt: since };
}

const settle = async (...files: FoundFile[]) => [...(await doubts.settle(files)).values()];

describe('calls whose files may not tell how far they are', () => {
  it('are asked about when they go on for a minute, and each minute from then on', async () => {
    const [over, talking] = [file(ago(5)), file(ago(5))];
    up = new Set([talking.callId]);
    for (const [seconds, questions] of [
      [0, 0],
      [59, 0],
      [60, 1],
      [61, 1],
      [119, 1],
      [120, 2],
    ] as const) {
      time = seconds * 1000;
      const known = await settle(over, talking);
      expect([seconds, asked]).toEqual([seconds, questions]);
      if (known.length > 0) expect(known.map(({ isUp }) => isUp)).toEqual([false, true]);
    }
  });

  it('are asked about at once when the spool could not be written, but for those that begin just now', async () => {
    const [over, beginning] = [file(ago(5)), file(ago(1))];
    await settle(over, beginning);
    doubts.begin();
    expect(await settle(over, beginning)).toEqual([{ isUp: false, mayHaveBegun: false }]);
    expect(asked).toBe(1);
  });

  it('tell nothing while Asterisk does not answer', async () => {
    const one = file(ago(5));
    up = null;
    doubts.begin();
    expect(await settle(one)).toEqual([{ isUp: null, mayHaveBegun: false }]);
    // And are asked about until it does.
    up = new Set([one.callId]);
    expect(await settle(one)).toEqual([{ isUp: true, mayHaveBegun: false }]);
  });

  it('may have begun when they lay there meanwhile, and still do after two seconds', async () => {
    const [stays, begins, later] = [file(null), file(null), file(null)];
    doubts.begin();
    expect(await settle(stays, begins)).toEqual([]);
    time = 2000;
    expect(await settle(stays, { ...begins, begunAt: ago(1) }, later)).toEqual([
      { isUp: null, mayHaveBegun: true },
    ]);
    expect(asked).toBe(0);
  });
});
