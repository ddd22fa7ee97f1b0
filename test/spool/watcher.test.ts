import { renameSync, writeFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArchivedFile } from '../../src/spool/archive.js';
import { type ArchiveWatcher, createArchiveWatcher } from '../../src/spool/watcher.js';
import {
  appendStatus,
  archived,
  list,
  makeSpool,
  newCall,
  silent,
  type TempSpool,
  until,
} from './temp-spool.js';

// With this, whatever is seen was seen by an event; with a short one and events lost, by the sweep.
const NEVER = 3_600_000;

let temp: TempSpool;
let watcher: ArchiveWatcher;
let batches: ArchivedFile[][];
beforeEach(async () => {
  temp = await makeSpool();
  batches = [];
});
afterEach(async () => {
  await watcher.stop();
  await temp.remove();
});

function watch(
  options: { sweepMs?: number; statusGraceMs?: number; keepSeconds?: number } = {},
  onArchived: (batch: ArchivedFile[]) => Promise<void> = disposeAll,
): void {
  watcher = createArchiveWatcher({
    spool: temp.spool,
    log: silent,
    keepSeconds: 0,
    sweepMs: NEVER,
    ...options,
    onArchived: async (batch) => {
      batches.push(batch);
      await onArchived(batch);
    },
  });
  watcher.start();
}

async function disposeAll(batch: ArchivedFile[]): Promise<void> {
  await Promise.all(batch.map(({ name }) => watcher.dispose(name)));
}

/** Until the watch is up: an event tells. */
async function watching(): Promise<void> {
  const { name } = newCall();
  await archived(temp.spool, name);
  await until(() => handed().includes(name));
  await until(async () => (await list(temp.spool.done)).length === 0);
  batches = [];
}

function handed(): string[] {
  return batches.flat().map(({ name }) => name);
}

describe('the archive watcher', () => {
  it('hands on what lay there at its start, in one batch', async () => {
    const names = Array.from({ length: 300 }, () => newCall().name);
    for (const name of names) await archived(temp.spool, name);
    watch();
    await until(() => handed().length === 300);
    expect(batches).toHaveLength(1);
    expect(batches[0]!.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });

  it('hands on a file by its event, well before any sweep', async () => {
    watch();
    await watching();
    const { callId, name } = newCall();
    await archived(temp.spool, name, 'Expired');
    await until(() => batches.length > 0);
    expect(batches[0]).toMatchObject([{ callId, status: 'Expired', attemptsLogged: 1 }]);
    await until(async () => (await list(temp.spool.done)).length === 0);
  });

  it('waits for a Status line that comes late, and hands on others meanwhile', async () => {
    watch({ statusGraceMs: NEVER });
    await watching();
    const [late, prompt] = [newCall(), newCall()];
    await archived(temp.spool, late.name, null);
    await archived(temp.spool, prompt.name);
    await until(() => handed().includes(prompt.name));
    expect(handed()).toEqual([prompt.name]);
    await appendStatus(temp.spool, late.name, 'Expired');
    await until(() => handed().includes(late.name));
    expect(batches.flat().find(({ name }) => name === late.name)!.status).toBe('Expired');
  });

  it('hands on a file whose Status line never comes when the grace is over', async () => {
    watch({ statusGraceMs: 100, sweepMs: 20 });
    const { name } = newCall();
    await archived(temp.spool, name, null);
    await until(() => handed().includes(name));
    expect(batches.flat()).toMatchObject([{ name, status: null }]);
  });

  it('misses none of 2,000 files that come while the event loop is blocked', async () => {
    watch({ sweepMs: 200 });
    await watching();
    const names = Array.from({ length: 2000 }, () => newCall().name);
    for (const [i, name] of names.entries()) {
      const path = join(temp.spool.outgoing, name);
      writeFileSync(path, 'RetryTime: 864000\nStartRetry: 1 1 (1796155272)\nStatus: Completed\n');
      renameSync(path, join(temp.spool.done, name));
      // Half of them arrive in one go, the rest in portions between which the loop runs.
      if (i >= 1000 && i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => handed().length >= 2000);
    expect(handed().toSorted()).toEqual(names.toSorted());
    await until(async () => (await list(temp.spool.done)).length === 0);
  });

  it('finds files by its sweep when every event is lost', async () => {
    // Nothing that is watched: the directory is put in place of another, and no event tells.
    watch({ sweepMs: 20 });
    await watching();
    const [old, fresh] = [join(temp.root, 'old'), join(temp.root, 'fresh')];
    await mkdir(fresh);
    const { name } = newCall();
    await writeFile(join(fresh, name), 'Status: Completed\n');
    await rename(temp.spool.done, old);
    await rename(fresh, temp.spool.done);
    await until(() => handed().includes(name));
  });

  it('does not hand a file twice while it is in work, and looks again at once when that is done', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    watch({}, async (batch) => {
      if (batches.length === 1) await held;
      await disposeAll(batch);
    });
    const [first, second] = [newCall(), newCall()];
    await archived(temp.spool, first.name);
    await until(() => batches.length === 1);
    await archived(temp.spool, second.name);
    // Give the events of the second file time to be (wrongly) acted on.
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(handed()).toEqual([first.name]);
    release();
    await until(() => handed().includes(second.name));
    expect(handed()).toEqual([first.name, second.name]);
  });

  it('tries files again that could not be finished, and one bad file does not hold up the others', async () => {
    const calls = Array.from({ length: 4 }, newCall);
    const bad = calls[2]!.name;
    for (const { name } of calls) await archived(temp.spool, name);
    watch({ sweepMs: 20 }, async (batch) => {
      if (batch.some(({ name }) => name === bad)) throw new Error('violates a constraint');
      await disposeAll(batch);
    });
    await until(async () => (await list(temp.spool.done)).length === 1);
    expect(await list(temp.spool.done)).toEqual([bad]);
    // All, two halves, two single files: not a try for each of them from the start.
    expect(batches[0]).toHaveLength(4);
    expect(batches.filter((batch) => batch.length === 2)).toHaveLength(2);
  });

  it('hands a file again that nobody disposed of, but not without a pause', async () => {
    let times = 0;
    watch({ sweepMs: 5 }, async () => {
      times++;
    });
    await archived(temp.spool, newCall().name);
    const at = performance.now();
    await until(() => times === 2);
    expect(performance.now() - at).toBeGreaterThan(400);
  });

  it('leaves files of others alone', async () => {
    for (const name of ['doorbell.call', '.hidden', `${newCall().name}.bak`, 'x']) {
      await writeFile(join(temp.spool.done, name), 'Status: Completed\n');
    }
    await mkdir(join(temp.spool.done, 'directory'));
    const before = await list(temp.spool.done);
    watch();
    await watching2(before.length);
    expect(handed()).toEqual([]);
    expect(await list(temp.spool.done)).toEqual(before);
  });

  async function watching2(others: number): Promise<void> {
    const { name } = newCall();
    await archived(temp.spool, name);
    await until(async () => handed().includes(name) && (await list(temp.spool.done)).length === others);
    batches = [];
  }

  it('passes over what it cannot read and goes on with the rest', async () => {
    const [directory, file] = [newCall(), newCall()];
    await mkdir(join(temp.spool.done, directory.name));
    await archived(temp.spool, file.name);
    watch();
    await until(() => handed().includes(file.name));
    expect(handed()).toEqual([file.name]);
  });

  it('survives that outgoing_done is deleted and made again, by us or by Asterisk', async () => {
    watch({ sweepMs: 20 });
    await watching();
    for (let i = 0; i < 3; i++) {
      await rm(temp.spool.done, { recursive: true });
      if (i === 1) await mkdir(temp.spool.done).catch(() => {});
      else await until(async () => (await list(temp.root)).includes('outgoing_done'));
      const { name } = newCall();
      await archived(temp.spool, name);
      await until(() => handed().includes(name));
    }
  });

  it('watches the directory that was made anew: events come from it', async () => {
    watch({ sweepMs: 300 });
    await watching();
    await rm(temp.spool.done, { recursive: true });
    await until(async () => (await list(temp.root)).includes('outgoing_done'));
    // Faster than the sweep, five times running: that is no chance.
    await watching();
    await until(async () => {
      const at = performance.now();
      for (let i = 0; i < 5; i++) await watching();
      return performance.now() - at < 300;
    });
  });

  it('keeps files when the admin wants them', async () => {
    watch({ keepSeconds: 3600 });
    const { name } = newCall();
    await archived(temp.spool, name);
    await until(async () => (await list(temp.spool.done)).length === 0);
    const [hour] = await list(temp.spool.kept);
    expect(await list(join(temp.spool.kept, hour!))).toEqual([name]);
  });

  it('purges what was kept by an earlier run', async () => {
    await mkdir(join(temp.spool.kept, '2020-01-01T00'));
    await writeFile(join(temp.spool.kept, '2020-01-01T00', newCall().name), '');
    watch();
    await until(async () => (await list(temp.spool.kept)).length === 0);
  });

  it('stops when the batch in work is done, and hands on nothing after; it may be stopped twice', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let done = false;
    watch({ sweepMs: 5 }, async (batch) => {
      await held;
      await disposeAll(batch);
      done = true;
    });
    await archived(temp.spool, newCall().name);
    await until(() => batches.length === 1);
    let stopped = false;
    const stopping = watcher.stop().then(() => {
      stopped = true;
    });
    const left = newCall().name;
    await archived(temp.spool, left);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    release();
    await stopping;
    expect(done).toBe(true);
    await watcher.stop();
    expect(await list(temp.spool.done)).toEqual([left]);
    expect(batches).toHaveLength(1);
  });
});
