import { readdir } from 'node:fs/promises';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type ArchivedFile, readArchived, STATUS_GRACE_MS, stillWaitsForStatus } from './archive.js';
import { createBacklog } from './backlog.js';
import { mapConcurrently } from './concurrency.js';
import { remakeDone, type Spool } from './directories.js';
import { createDirectoryHint } from './directory-hint.js';
import { createDisposal, type Disposal } from './disposal.js';
import { callIdOfFile } from './name.js';

export interface ArchiveWatcherOptions {
  spool: Spool;
  log: Logger;
  /**
   * Called with all files that are found at once, never again before it has settled. It disposes of each file that it
   * is done with. What is left, because it failed or because no attempt belongs to it, is handed again with growing
   * delays, until the reconciler sees to it.
   */
  onArchived(batch: ArchivedFile[]): Promise<void>;
  /** Seconds that disposed files are kept; 0 removes them. */
  keepSeconds: number;
  /** Told how many files a sweep found that no event had told of. */
  onSweepFind?: ((files: number) => void) | undefined;
  sweepMs?: number;
  statusGraceMs?: number;
}

export interface ArchiveWatcher extends Pick<Disposal, 'dispose'> {
  /** Looks at once, and from then on at each event and each second. */
  start(): void;
  /** Resolves when the batch in work is done. */
  stop(): Promise<void>;
}

const SWEEP_MS = 1000;
const PURGE_EVERY_MS = 60_000;
/** An event may be on its way for so long. */
const EVENT_MS = 500;

/** Hands on the files that Asterisk archives in outgoing_done/. Events are hints, the sweep is the truth. */
export function createArchiveWatcher(options: ArchiveWatcherOptions): ArchiveWatcher {
  const {
    spool,
    log,
    onArchived,
    keepSeconds,
    onSweepFind,
    sweepMs = SWEEP_MS,
    statusGraceMs = STATUS_GRACE_MS,
  } = options;
  const disposal = createDisposal(spool, keepSeconds);
  const backlog = createBacklog();
  const hint = createDirectoryHint(spool.done, log, () => {
    hinted = true;
    look();
  });
  let running = false;
  let dirty = false;
  // What lies there at the start has no event.
  let hinted = true;
  let work: Promise<void> | null = null;
  let sweeping: Promise<void> | null = null;
  let sweeper: NodeJS.Timeout | undefined;
  let purgedAt = Number.NEGATIVE_INFINITY;

  /** Looks at once, or, while a batch is in work, as soon as it is done. */
  function look(): void {
    dirty = true;
    work ??= lookWhileDirty().finally(() => {
      work = null;
      if (dirty && running) look();
    });
  }

  async function lookWhileDirty(): Promise<void> {
    while (dirty && running) {
      dirty = false;
      await round().catch((error: unknown) => {
        log.error({ reason: messageOf(error) }, 'cannot look into outgoing_done');
      });
    }
  }

  async function round(): Promise<void> {
    const bySweep = !hinted;
    hinted = false;
    const names = await list();
    backlog.retain(names);
    const failed: string[][] = [];
    const batches = backlog.select(names, performance.now());
    for (const batch of batches) {
      const files = (await mapConcurrently(batch, readWhenOver)).filter((file) => file !== null);
      if (bySweep) tellOfFinds(files);
      if (files.length > 0 && !(await handOn(files))) failed.push(files.map((file) => file.name));
    }
    // When nothing at all succeeds it is the database, and smaller batches would only be more of them.
    const split = failed.length === 1 || failed.length < batches.length;
    for (const group of failed) backlog.delay(group, performance.now(), split);
  }

  function tellOfFinds(files: readonly ArchivedFile[]): void {
    const latest = Date.now() - EVENT_MS;
    const finds = files.filter(({ name, archivedAt }) => archivedAt.getTime() < latest && !backlog.has(name));
    if (finds.length > 0) onSweepFind?.(finds.length);
  }

  async function list(): Promise<string[]> {
    try {
      return (await readdir(spool.done)).filter((name) => callIdOfFile(name) !== null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // Asterisk would make it at the next call that is over, with rights that may not let us in.
      await remakeDone(spool);
      await hint.refresh();
      return [];
    }
  }

  async function handOn(files: ArchivedFile[]): Promise<boolean> {
    try {
      await onArchived(files);
      // Whoever was disposed of is not in the next listing; the others wait for their turn.
      const names = files.map((file) => file.name);
      backlog.delay(names, performance.now(), false);
      return true;
    } catch (error) {
      log.error(
        { files: files.length, reason: messageOf(error) },
        'cannot finish archived calls, trying again',
      );
      return false;
    }
  }

  /** Null for a file that is gone, or that Asterisk has yet to append `Status:` to: that makes an event of its own. */
  async function readWhenOver(name: string): Promise<ArchivedFile | null> {
    try {
      const file = readArchived(spool, name);
      return file && !(await stillWaitsForStatus(spool, file, statusGraceMs)) ? file : null;
    } catch (error) {
      log.error({ file: name, reason: messageOf(error) }, 'cannot read an archived call file');
      backlog.delay([name], performance.now(), false);
      return null;
    }
  }

  async function sweep(): Promise<void> {
    await hint.refresh();
    look();
    if (performance.now() - purgedAt < PURGE_EVERY_MS) return;
    purgedAt = performance.now();
    const hours = await disposal.purge();
    if (hours > 0) log.info({ hours }, 'removed call files that were kept for long enough');
  }

  function sweepNow(): void {
    sweeping = sweep()
      .catch((error: unknown) => log.error({ reason: messageOf(error) }, 'cannot sweep outgoing_done'))
      .finally(() => {
        if (running) sweeper = setTimeout(sweepNow, sweepMs);
      });
  }

  return {
    dispose: disposal.dispose,
    start() {
      if (running) return;
      running = true;
      sweepNow();
    },
    async stop() {
      running = false;
      clearTimeout(sweeper);
      // In this order: a sweep and a look may both begin to watch.
      await sweeping;
      await work;
      await hint.stop();
    },
  };
}
