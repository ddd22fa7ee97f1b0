import { statSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDisposal } from '../../src/spool/disposal.js';
import {
  createReconciler,
  type FoundEnding,
  type Reconciler,
  type ReconcilerOptions,
} from '../../src/spool/reconciler.js';
import { withdraw } from '../../src/spool/withdrawal.js';
import {
  ago,
  appendStatus,
  archive,
  archived,
  begin,
  CONTENT,
  list,
  makeSpool,
  newCall,
  silent,
  startAsterisk,
  type TempSpool,
  until,
} from './temp-spool.js';

type State = { state: 'open' | 'ended'; sawAnswer: boolean; hangupAt?: Date | null };

let temp: TempSpool;
let attempts: Map<string, State>;
let inFlight: Set<string>;
let finished: FoundEnding[];
let released: string[];
let tidied: ReadonlySet<string>[];
beforeEach(async () => {
  temp = await makeSpool();
  attempts = new Map();
  inFlight = new Set();
  finished = [];
  released = [];
  tidied = [];
  await startAsterisk(temp.run, ago(3600));
});
afterEach(() => temp.remove());

/** A reconciler on a database that is a map; every hook may come in between. */
function reconciler(
  options: Partial<
    Pick<ReconcilerOptions, 'graceSeconds' | 'announceSeconds' | 'everySeconds' | 'onReconciled'>
  > = {},
  hooks: {
    beforeListOpen?(): Promise<void>;
    afterListOpen?(): Promise<void>;
    beforeStates?(): Promise<void>;
    beforeRelease?(): Promise<void>;
  } = {},
  beforeFinish: () => Promise<void> = async () => {},
): Reconciler {
  return createReconciler({
    spool: temp.spool,
    log: silent,
    reports: { tidy: (open) => tidied.push(open) },
    inFlight: (callId) => inFlight.has(callId),
    attempts: {
      async findStates(callIds) {
        await hooks.beforeStates?.();
        return new Map(callIds.flatMap((id) => (attempts.has(id) ? [[id, { ...attempts.get(id)! }]] : [])));
      },
      async listOpen() {
        await hooks.beforeListOpen?.();
        const open = [...attempts].filter(([, { state }]) => state === 'open');
        await hooks.afterListOpen?.();
        return open.map(([callId, { sawAnswer, hangupAt = null }]) => ({ callId, sawAnswer, hangupAt }));
      },
    },
    async finish(endings) {
      await beforeFinish();
      for (const ending of endings) {
        const attempt = attempts.get(ending.callId);
        if (attempt?.state !== 'open') continue;
        attempt.state = 'ended';
        finished.push(ending);
      }
    },
    async release(callIds) {
      await hooks.beforeRelease?.();
      for (const callId of callIds) if (attempts.delete(callId)) released.push(callId);
    },
    dispose: createDisposal(temp.spool, 0).dispose,
    graceSeconds: 0,
    announceSeconds: 3600,
    ...options,
  });
}

function attempt(
  state: 'open' | 'ended' | 'none' = 'open',
  sawAnswer = false,
): { callId: string; name: string } {
  const call = newCall();
  if (state !== 'none') attempts.set(call.callId, { state, sawAnswer });
  return call;
}

async function put(directory: string, name: string): Promise<void> {
  await writeFile(join(directory, name), CONTENT);
}

/** All files of ours, by the directory they lie in. */
async function everything(): Promise<Record<string, string[]>> {
  const { staging, outgoing, done, quarantine } = temp.spool;
  const found = { staging, outgoing, done, quarantine };
  const lists = await Promise.all(
    Object.entries(found).map(async ([key, path]) => [key, await list(path)] as const),
  );
  return Object.fromEntries(lists.filter(([, names]) => names.length > 0));
}

describe('what the PBX has not taken', () => {
  it('is told of once it has waited for long, and no more when the call begins or the file is gone', async () => {
    const [first, second, other] = [attempt(), attempt(), attempt()];
    const impatient = reconciler({ announceSeconds: 10 });
    expect(impatient.untaken()).toBeNull();
    for (const { name } of [first, second]) await put(temp.spool.outgoing, name);
    await put(temp.spool.done, other.name);
    await utimes(join(temp.spool.done, other.name), ago(60), ago(60));
    await impatient.run();
    expect(impatient.untaken()).toBeNull();
    const [since, later] = [30, 20].map(
      (seconds) => new Date(Math.floor(Date.now() / 1000 - seconds) * 1000),
    ) as [Date, Date];
    await utimes(join(temp.spool.outgoing, first.name), since, since);
    await utimes(join(temp.spool.outgoing, second.name), later, later);
    await impatient.run();
    expect(impatient.untaken()).toEqual({ files: 2, since });
    begin(temp.spool.outgoing, first.name);
    await impatient.run();
    expect(impatient.untaken()).toEqual({ files: 1, since: later });
    await unlink(join(temp.spool.outgoing, second.name));
    await impatient.run();
    expect(impatient.untaken()).toBeNull();
  });
});

describe('what the PBX has not taken although it was announced again', () => {
  afterEach(() => vi.useRealTimers());

  it('goes on to wait since it was written', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    const { mtime } = await stat(join(temp.spool.outgoing, name));
    const { run, untaken } = reconciler({ announceSeconds: 10 });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 15_000 });
    expect(await run()).toEqual({ announce: 1 });
    expect((await stat(join(temp.spool.outgoing, name))).mtimeMs).toBeGreaterThan(mtime.getTime() + 10_000);
    vi.setSystemTime(Date.now() + 1000);
    await run();
    expect(untaken()).toEqual({ files: 1, since: mtime });
  });
});

describe('what a comparison tells', () => {
  it('is how many ports were held without a call, and for how long a call is over that has not ended', async () => {
    const { run, compared } = reconciler({ graceSeconds: 60 });
    expect(compared()).toBeNull();
    const archivedCall = attempt();
    await archived(temp.spool, archivedCall.name);
    const hungUp = attempt();
    attempts.get(hungUp.callId)!.hangupAt = ago(30);
    await put(temp.spool.outgoing, hungUp.name);
    begin(temp.spool.outgoing, hungUp.name);
    await run();
    expect(compared()).toMatchObject({ leaked: 0 });
    expect(Math.round((Date.now() - compared()!.unfinishedSince!.getTime()) / 1000)).toBe(30);
    expect(performance.now() - compared()!.at).toBeLessThan(10_000);

    const late = reconciler();
    await late.run();
    // The grace of the archived one is over here; it ends it, so there is none the next time.
    expect(late.compared()).toMatchObject({ leaked: 1 });
    await late.run();
    expect(late.compared()).toMatchObject({ leaked: 0 });
  });

  it('is told although they cannot be ended: then they stay leaked', async () => {
    const { callId } = attempt();
    const { run, compared } = reconciler({}, {}, () => Promise.reject(new Error('away')));
    for (let i = 0; i < 2; i++) {
      await expect(run()).rejects.toThrow('away');
      expect(compared()).toMatchObject({ leaked: 1 });
    }
    expect(attempts.get(callId)?.state).toBe('open');
  });

  it('is what was set right, and which of it were orphans', async () => {
    attempt();
    await put(temp.spool.outgoing, attempt('none').name);
    await put(temp.spool.staging, attempt('ended').name);
    const told: unknown[] = [];
    const { run } = reconciler({ onReconciled: (...what) => told.push(what) });
    await run();
    await run();
    expect(told).toEqual([
      [
        { lost: 1, quarantine: 1, remove: 1 },
        { files: 1, attempts: 1 },
      ],
      [{}, { files: 0, attempts: 0 }],
    ]);
  });
});

describe('a start finds', () => {
  it('an open attempt staged: releases it, and removes the file after', async () => {
    const { callId, name } = attempt();
    await put(temp.spool.staging, name);
    let there = false;
    const counts = await reconciler(
      {},
      {
        async beforeRelease() {
          there = (await list(temp.spool.staging)).includes(name);
        },
      },
    ).run();
    expect(counts).toEqual({ release: 1 });
    expect(released).toEqual([callId]);
    expect(there).toBe(true);
    expect(await everything()).toEqual({});
  });

  it('an open attempt waiting for Asterisk: leaves it, and announces it when it waits for long', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    expect(await reconciler().run()).toEqual({});
    const { ino } = await stat(join(temp.spool.outgoing, name));
    const impatient = reconciler({ announceSeconds: 0 });
    expect(await impatient.run()).toEqual({ announce: 1 });
    expect((await stat(join(temp.spool.outgoing, name))).ino).toBe(ino);
    expect(await everything()).toEqual({ outgoing: [name] });
  });

  it('a file that we died announcing, with a link left in staging: removes that, releases nothing', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    await link(join(temp.spool.outgoing, name), join(temp.spool.staging, name));
    expect(await reconciler().run()).toEqual({});
    expect(await everything()).toEqual({ outgoing: [name] });
  });

  it('a file that we died withdrawing, its time far ahead: announces it', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    const ahead = Date.now() / 1000 + 1_000_000;
    await utimes(join(temp.spool.outgoing, name), ahead, ahead);
    expect(await reconciler().run()).toEqual({});
    expect(await reconciler({ announceSeconds: 0 }).run()).toEqual({ announce: 1 });
    expect((await stat(join(temp.spool.outgoing, name))).mtimeMs).toBeLessThanOrEqual(Date.now());
  });

  it('a call in progress: leaves it', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(60));
    expect(await reconciler({ announceSeconds: 0 }).run()).toEqual({});
    expect(await everything()).toEqual({ outgoing: [name] });
  });

  it('a call in progress whose file Asterisk could not set the time of: leaves it too', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(60));
    await utimes(join(temp.spool.outgoing, name), ago(60), ago(60));
    expect(await reconciler({ announceSeconds: 0 }).run()).toEqual({});
  });

  it('calls that Asterisk died in: ends them as lost, or by what was heard of them', async () => {
    const [lost, answered] = [attempt(), attempt('open', true)];
    for (const { name } of [lost, answered]) {
      await put(temp.spool.outgoing, name);
      begin(temp.spool.outgoing, name, ago(7200));
    }
    expect(await reconciler().run()).toEqual({ lost: 1, conclude: 1 });
    expect(finished).toMatchObject([
      { callId: lost.callId, archiveStatus: null, as: 'lost' },
      { callId: answered.callId, archiveStatus: null },
    ]);
    expect(await everything()).toEqual({});
  });

  it('a call that Asterisk died in, with a file that it could not set the time of: sees it too', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(7200));
    await utimes(join(temp.spool.outgoing, name), ago(7200), ago(7200));
    expect(await reconciler({ announceSeconds: 0 }).run()).toEqual({ lost: 1 });
  });

  it('a call that was hung up and whose file Asterisk could not archive: ends it by what was heard', async () => {
    const { callId, name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(120));
    attempts.get(callId)!.hangupAt = ago(90);
    expect(await reconciler().run()).toEqual({ conclude: 1 });
    expect(finished).toEqual([{ callId, archiveStatus: null, begunAt: expect.any(Date) }]);
    expect(await everything()).toEqual({});
  });

  it('calls of a file that says begun while Asterisk is down: leaves them until it is back', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(60));
    await rm(temp.run, { recursive: true });
    const same = reconciler();
    expect(await same.run()).toEqual({});
    await mkdir(temp.run);
    await startAsterisk(temp.run, new Date());
    expect(await same.run()).toEqual({ lost: 1 });
  });

  it('archived calls: ends them by their status and removes the files', async () => {
    const [over, unsaid] = [attempt(), attempt()];
    await archived(temp.spool, over.name, 'Expired');
    await archived(temp.spool, unsaid.name, null);
    await until(async () => (await stat(join(temp.spool.done, unsaid.name))).ctimeMs < Date.now() - 2000);
    expect(await reconciler().run()).toEqual({ finish: 2 });
    expect(finished.toSorted((a, b) => (a.callId < b.callId ? -1 : 1))).toMatchObject([
      { callId: over.callId, archiveStatus: 'Expired' },
      { callId: unsaid.callId, archiveStatus: null },
    ]);
    expect(await everything()).toEqual({});
  });

  it('leaves what was archived just now to the watcher', async () => {
    const { name } = attempt();
    await archived(temp.spool, name);
    expect(await reconciler({ graceSeconds: 3600 }).run()).toEqual({});
    expect(await everything()).toEqual({ done: [name] });
  });

  it('an open attempt whose file is nowhere: lost, after a grace', async () => {
    const { callId } = attempt();
    const patient = reconciler({ graceSeconds: 3600 });
    expect(await patient.run()).toEqual({});
    expect(await patient.run()).toEqual({});
    expect(await reconciler().run()).toEqual({ lost: 1 });
    expect(finished).toEqual([{ callId, archiveStatus: null, as: 'lost' }]);
  });

  it('files of ended attempts: removes them, and never lets one be dialled', async () => {
    const [staged, waiting, died, over] = [
      attempt('ended'),
      attempt('ended'),
      attempt('ended'),
      attempt('ended'),
    ];
    const progress = attempt('ended');
    await put(temp.spool.staging, staged.name);
    await put(temp.spool.outgoing, waiting.name);
    await put(temp.spool.outgoing, died.name);
    begin(temp.spool.outgoing, died.name, ago(7200));
    await put(temp.spool.outgoing, progress.name);
    begin(temp.spool.outgoing, progress.name, ago(60));
    await archived(temp.spool, over.name);
    expect(await reconciler().run()).toEqual({ remove: 3, withdraw: 1 });
    expect(await everything()).toEqual({ outgoing: [progress.name] });
    expect(finished).toEqual([]);
  });

  it('files without an attempt: puts aside what was placed, removes what was not, leaves calls in progress', async () => {
    const [staged, waiting, died, over, progress] = [newCall(), newCall(), newCall(), newCall(), newCall()];
    await put(temp.spool.staging, staged.name);
    await put(temp.spool.outgoing, waiting.name);
    await put(temp.spool.outgoing, died.name);
    begin(temp.spool.outgoing, died.name, ago(7200));
    await put(temp.spool.outgoing, progress.name);
    begin(temp.spool.outgoing, progress.name, ago(60));
    await archived(temp.spool, over.name);
    expect(await reconciler().run()).toEqual({ remove: 1, quarantine: 3 });
    expect(await everything()).toEqual({
      outgoing: [progress.name],
      quarantine: [waiting.name, died.name, over.name].toSorted(),
    });
  });

  it('a file staged whose claim may yet commit: leaves it', async () => {
    const { name } = attempt('none');
    await put(temp.spool.staging, name);
    expect(await reconciler({ graceSeconds: 3600 }).run()).toEqual({});
    expect(await everything()).toEqual({ staging: [name] });
  });

  it('a begun file in staging, left by a crash while it was withdrawn: puts it back', async () => {
    const { name } = attempt();
    await put(temp.spool.staging, name);
    begin(temp.spool.staging, name, ago(60));
    expect(await reconciler().run()).toEqual({ restore: 1 });
    expect(await everything()).toEqual({ outgoing: [name] });
  });

  it('files and directories of others: never touches them', async () => {
    const own = ['doorbell.call', '.hidden', `${newCall().name}~`, `x${newCall().name}`];
    for (const directory of [temp.spool.outgoing, temp.spool.done, temp.spool.staging]) {
      for (const name of own) await put(directory, name);
      await mkdir(join(directory, newCall().name));
    }
    const before = await everything();
    expect(await reconciler({ announceSeconds: 0 }).run()).toEqual({});
    expect(await everything()).toEqual(before);
  });

  it('tells the reports which calls are open', async () => {
    const open = attempt('open');
    attempt('ended');
    await put(temp.spool.outgoing, open.name);
    await reconciler().run();
    expect(tidied).toEqual([new Set([open.callId])]);
  });
});

describe('races with normal operation', () => {
  it('a call in flight is left alone wherever its file is, or when it is nowhere', async () => {
    const calls = [attempt(), attempt('none'), attempt(), attempt()];
    for (const { callId } of calls) inFlight.add(callId);
    await put(temp.spool.staging, calls[0]!.name);
    await put(temp.spool.staging, calls[1]!.name);
    await put(temp.spool.outgoing, calls[2]!.name);
    const before = await everything();
    expect(await reconciler({ announceSeconds: 0 }).run()).toEqual({});
    expect(await everything()).toEqual(before);
  });

  it('a call placed between listing and looking is not released', async () => {
    const { callId, name } = attempt();
    await put(temp.spool.staging, name);
    const { staging, outgoing } = temp.spool;
    const placed = reconciler({}, { beforeStates: () => rename(join(staging, name), join(outgoing, name)) });
    expect(await placed.run()).toEqual({});
    expect(released).toEqual([]);
    expect(attempts.get(callId)!.state).toBe('open');
  });

  it('a call claimed and placed while the reconciler looks is not missed', async () => {
    const fresh = newCall();
    const same = reconciler(
      {},
      {
        async beforeListOpen() {
          attempts.set(fresh.callId, { state: 'open', sawAnswer: false });
          await put(temp.spool.outgoing, fresh.name);
        },
      },
    );
    expect(await same.run()).toEqual({});
    const later = newCall();
    const next = reconciler(
      {},
      {
        async afterListOpen() {
          attempts.set(later.callId, { state: 'open', sawAnswer: false });
        },
      },
    );
    expect(await next.run()).toEqual({});
    expect(finished).toEqual([]);
  });

  it('a call that is over, finished and removed while directories are listed is not lost', async () => {
    const { callId, name } = attempt();
    await put(temp.spool.outgoing, name);
    const patient = reconciler(
      { graceSeconds: 3600 },
      {
        async afterListOpen() {
          attempts.set(callId, { state: 'ended', sawAnswer: true });
          await rm(join(temp.spool.outgoing, name), { force: true });
        },
      },
    );
    expect(await patient.run()).toEqual({});
    expect(finished).toEqual([]);
  });

  it('a call that comes back before it is declared lost is not lost', async () => {
    const { callId } = attempt();
    let asked = 0;
    const { run } = createReconciler({
      spool: temp.spool,
      log: silent,
      reports: { tidy: () => 0 },
      // Asked a last time just before the attempt would be ended.
      inFlight: () => ++asked > 1,
      attempts: {
        findStates: async () => new Map(),
        listOpen: async () => [{ callId, sawAnswer: false }],
      },
      finish: async (endings) => void finished.push(...endings),
      release: async () => {},
      dispose: async () => {},
      graceSeconds: 0,
    });
    expect(await run()).toEqual({});
    expect(finished).toEqual([]);
  });

  it('a file archived between looking and ending stays for the watcher', async () => {
    const { callId, name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(7200));
    const same = reconciler(
      {},
      {
        async beforeStates() {
          await archive(temp.spool, name);
          await appendStatus(temp.spool, name);
        },
      },
    );
    expect(await same.run()).toEqual({});
    expect(attempts.get(callId)!.state).toBe('open');
    expect(await everything()).toEqual({ done: [name] });
  });

  it('a file that is being withdrawn is left alone until that is decided', async () => {
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    const answer = withdraw(temp.spool, name);
    expect(await reconciler({ announceSeconds: 0 }).run()).toEqual({});
    expect(await answer).toBe('withdrawn');
    expect(await reconciler().run()).toEqual({ release: 1 });
  });

  it.each(['ended', 'none'] as const)(
    'a file that must not be dialled (attempt: %s) is left to Asterisk when it begins the call just then',
    async (state) => {
      const { name } = attempt(state);
      await put(temp.spool.outgoing, name);
      const run = reconciler().run();
      const isFrozen = () => statSync(join(temp.spool.outgoing, name)).mtimeMs > Date.now();
      while (!isFrozen()) await new Promise((resolve) => setImmediate(resolve));
      begin(temp.spool.outgoing, name);
      expect(await run).toEqual({});
      expect(await everything()).toEqual({ outgoing: [name] });
    },
  );

  it('a file withdrawn after it was listed in both places is not removed as a second link', async () => {
    const { name } = attempt();
    const { staging, outgoing } = temp.spool;
    await put(outgoing, name);
    await link(join(outgoing, name), join(staging, name));
    expect(await reconciler({}, { beforeStates: () => unlink(join(outgoing, name)) }).run()).toEqual({});
    expect(await readFile(join(staging, name), 'utf8')).toBe(CONTENT);
  });

  it('a database that is down changes nothing', async () => {
    const { name } = attempt('none');
    await put(temp.spool.outgoing, name);
    const failing = reconciler({}, { beforeStates: () => Promise.reject(new Error('connection refused')) });
    await expect(failing.run()).rejects.toThrow('connection refused');
    expect(await everything()).toEqual({ outgoing: [name] });
    // And the next run is not stuck with that.
    expect(await reconciler().run()).toEqual({ quarantine: 1 });
  });

  it('two runs at once are one', async () => {
    const { name } = attempt();
    await put(temp.spool.staging, name);
    const same = reconciler();
    expect(await Promise.all([same.run(), same.run()])).toEqual([{ release: 1 }, { release: 1 }]);
    expect(released).toHaveLength(1);
  });
});

describe('the sweep', () => {
  it('runs again and again, also after a failure, until it is stopped', async () => {
    let runs = 0;
    const sweep = reconciler(
      { everySeconds: 0.01 },
      {
        async afterListOpen() {
          if (++runs === 1) throw new Error('connection refused');
        },
      },
    );
    sweep.start();
    await until(() => runs >= 3);
    await sweep.stop();
    await sweep.stop();
    const at = runs;
    await put(temp.spool.staging, attempt().name);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(runs).toBe(at);
  });

  it('ends a call in two runs when its file vanishes', async () => {
    const { callId } = attempt();
    const sweep = reconciler({ everySeconds: 0.01, graceSeconds: 0.05 });
    sweep.start();
    await until(() => finished.length > 0);
    await sweep.stop();
    expect(finished).toEqual([{ callId, archiveStatus: null, as: 'lost' }]);
  });
});

describe('a clock that was set', () => {
  it('ends no call that began under the running Asterisk, at a time before its start', async () => {
    await startAsterisk(temp.run, new Date());
    const reconciling = reconciler();
    await reconciling.run();
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(3600));
    await reconciling.run();
    expect(finished).toEqual([]);
    expect(await everything()).toEqual({ outgoing: [name] });
    // And is over when that Asterisk is.
    await startAsterisk(temp.run, new Date(Date.now() + 1000));
    await reconciling.run();
    expect(finished).toMatchObject([{ as: 'lost' }]);
    expect(await everything()).toEqual({});
  });

  it('takes a call for lost that was begun under the Asterisk of before, at a time that is yet to come', async () => {
    const reconciling = reconciler();
    await reconciling.run();
    const { name } = attempt();
    await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, name, ago(-3600));
    await reconciling.run();
    expect(finished).toEqual([]);
    await startAsterisk(temp.run, new Date());
    await reconciling.run();
    expect(finished).toMatchObject([{ as: 'lost' }]);
  });

  it('asks the time where nobody saw the call begin', async () => {
    const [earlier, later] = [attempt(), attempt()];
    await startAsterisk(temp.run, ago(60));
    for (const { name } of [earlier, later]) await put(temp.spool.outgoing, name);
    begin(temp.spool.outgoing, earlier.name, ago(120));
    begin(temp.spool.outgoing, later.name, ago(30));
    await reconciler().run();
    expect(finished).toMatchObject([{ callId: earlier.callId, as: 'lost' }]);
    expect(await everything()).toEqual({ outgoing: [later.name] });
  });
});
