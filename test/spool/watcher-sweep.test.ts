import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ArchiveWatcher, createArchiveWatcher } from '../../src/spool/watcher.js';
import { archived, list, makeSpool, newCall, silent, type TempSpool, until } from './temp-spool.js';

// As when the kernel's queue has overflowed: no event ever comes.
vi.mock('../../src/spool/directory-hint.js', () => ({
  createDirectoryHint: () => ({ refresh: async () => {}, stop: async () => {} }),
}));

let temp: TempSpool;
let watcher: ArchiveWatcher;
let finds: number[];
let broken: boolean;
beforeEach(async () => {
  temp = await makeSpool();
  finds = [];
  broken = false;
  watcher = createArchiveWatcher({
    spool: temp.spool,
    log: silent,
    keepSeconds: 0,
    sweepMs: 20,
    onSweepFind: (files) => finds.push(files),
    async onArchived(batch) {
      if (broken) throw new Error('the database is away');
      await Promise.all(batch.map(({ name }) => watcher.dispose(name)));
    },
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await watcher.stop();
  await temp.remove();
});

const empty = () => until(async () => (await list(temp.spool.done)).length === 0);
/** Files seem to be as much older as this. */
const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

describe('a sweep tells', () => {
  it('of files whose events must have come by then, each once', async () => {
    watcher.start();
    await empty();
    later(5000);
    broken = true;
    await archived(temp.spool, newCall().name);
    await until(() => finds.length > 0);
    broken = false;
    later(6000);
    await empty();
    expect(finds).toEqual([1]);
  });

  it('nothing of what lay there at the start, nor of what has just come', async () => {
    later(5000);
    await archived(temp.spool, newCall().name);
    watcher.start();
    await empty();
    vi.useRealTimers();
    await archived(temp.spool, newCall().name);
    await empty();
    expect(finds).toEqual([]);
  });
});
