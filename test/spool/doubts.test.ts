import { beforeEach, describe, expect, it } from 'vitest';
import { createDoubts, type Doubts } from '../../src/spool/doubts.js';
import type { FoundFile } from '../../src/spool/inventory.js';
import { ago, newCall } from './temp-spool.js';

let time: number;
let up: Set<string> | null;
let asked: number;
let doubts: Doubts;
const marked = { inDoubt: false, mayHaveBegun: false };
beforeEach(async () => {
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
  // The start is over.
  await doubts.settle([]);
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
    expect(await settle(over, beginning)).toEqual([{ isUp: false, ...marked }]);
    expect(asked).toBe(1);
  });

  it('tell nothing while Asterisk does not answer', async () => {
    const one = file(ago(5));
    up = null;
    doubts.begin();
    expect(await settle(one)).toEqual([{ isUp: null, ...marked }]);
    // And are asked about until it does.
    up = new Set([one.callId]);
    expect(await settle(one)).toEqual([{ isUp: true, ...marked }]);
  });

  it('may have begun when they lay there meanwhile, and still do after two seconds', async () => {
    const [stays, begins, later] = [file(null), file(null), file(null)];
    doubts.begin();
    const inDoubt = { isUp: false, inDoubt: true, mayHaveBegun: false };
    expect(await settle(stays, begins)).toEqual([inDoubt, inDoubt]);
    time = 2000;
    expect(await settle(stays, { ...begins, begunAt: ago(1) }, later)).toEqual([
      { ...inDoubt, mayHaveBegun: true },
      { ...inDoubt, inDoubt: false },
    ]);
  });

  it('are all in doubt for as long as the spool cannot be written', async () => {
    const one = file(null);
    const inDoubt = { isUp: false, inDoubt: true, mayHaveBegun: false };
    doubts.hold();
    for (time of [0, 10_000]) expect(await settle(one)).toEqual([inDoubt]);
    doubts.begin();
    expect(await settle(one)).toEqual([inDoubt]);
    time = 12_000;
    expect(await settle(one)).toEqual([{ ...inDoubt, mayHaveBegun: true }]);
  });

  it('are asked about when Asterisk seems not to have heard of them, unless it does not run', async () => {
    const [talking, waiting, fresh] = [file(null), file(null), { ...file(null), since: ago(1) }];
    expect(await settle(fresh)).toEqual([]);
    expect((await doubts.settle([waiting], false)).size).toBe(0);
    expect(asked).toBe(0);
    up = new Set([talking.callId]);
    expect((await settle(talking, waiting)).map(({ isUp }) => isUp)).toEqual([true, false]);
  });
});

describe('calls of before our start', () => {
  const start = () =>
    createDoubts(
      async () => {
        asked += 1;
        return up;
      },
      () => time,
    );

  it('are asked about at once', async () => {
    const [over, talking] = [file(ago(5)), file(ago(5))];
    up = new Set([talking.callId]);
    const known = await start().settle([over, talking]);
    expect([...known.values()].map(({ isUp }) => isUp)).toEqual([false, true]);
  });

  it('may have begun when Asterisk had the time to take them, and has not archived another that is over', async () => {
    const [over, long, short] = [file(ago(5)), file(null), { ...file(null), since: ago(1) }];
    const frozen = { ...file(null), writtenAt: ago(-86_400) };
    const atStart = start();
    const known = async () =>
      [...(await atStart.settle([over, long, short, frozen]))].filter(([, d]) => d.inDoubt);
    const inDoubt = { isUp: null, inDoubt: true, mayHaveBegun: false };
    // Until Asterisk answers.
    up = null;
    for (time of [0, 10_000]) expect(await known()).toEqual([[long.name, inDoubt]]);
    up = new Set();
    expect(await known()).toEqual([[long.name, { ...inDoubt, isUp: false }]]);
    time = 12_000;
    expect(await known()).toEqual([[long.name, { isUp: false, inDoubt: true, mayHaveBegun: true }]]);
  });

  it.each([
    ['none of a call that it should have archived', () => new Set<string>(), null],
    ['no call that is over', (talking: string) => new Set([talking]), ago(5)],
  ])('are announced when Asterisk answers and there is %s', async (_, answer, begunAt) => {
    const [other, waiting] = [file(begunAt), file(null)];
    up = answer(other.callId);
    const known = await start().settle([other, waiting]);
    expect(known.get(waiting.name)).toEqual({ isUp: false, ...marked });
  });

  it('are announced after a minute in which Asterisk could not be asked', async () => {
    const one = file(null);
    const atStart = start();
    up = null;
    const inDoubt = async () => (await atStart.settle([one])).get(one.name)?.inDoubt ?? false;
    for (const [seconds, expected] of [
      [0, true],
      [60, true],
      [61, false],
      [62, false],
    ] as const) {
      time = seconds * 1000;
      expect([seconds, await inDoubt()]).toEqual([seconds, expected]);
    }
  });
});
