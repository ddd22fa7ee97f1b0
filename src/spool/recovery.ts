import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type CallId, logNamesOf } from '../calls/call-id.js';
import type { ArchiveStatus } from '../calls/disposition.js';
import type { Logger } from '../log.js';
import { awaitArchived } from './archive.js';
import { mapConcurrently } from './concurrency.js';
import type { Spool } from './directories.js';
import { type Disposal, quarantine } from './disposal.js';
import type { FoundFile } from './inventory.js';
import { fileNameOf } from './name.js';
import type { Action } from './reconcile.js';
import { announceAgain, restore, withdraw } from './withdrawal.js';
import { unstage } from './writer.js';

/** How an attempt was found to be over. */
export interface FoundEnding {
  callId: CallId;
  archiveStatus: ArchiveStatus | null;
  /** There is no archived file, and FastAGI heard nothing. */
  as?: 'lost';
  /** When Asterisk began it, as far as its file tells. */
  begunAt?: Date;
}

export interface RecoveryOptions {
  spool: Spool;
  log: Logger;
  /** Whether a call is between its claim and its place in outgoing/: set before its file is staged. */
  inFlight(callId: CallId): boolean;
  /** Ends attempts; those that are not open (any more) it leaves as they are. */
  finish(endings: FoundEnding[]): Promise<unknown>;
  /** Undoes the claims of attempts that are open. */
  release(callIds: CallId[]): Promise<void>;
  dispose: Disposal['dispose'];
}

/** A call that something is to be done about. */
export interface Concerned {
  callId: CallId;
  /** Null when the file is nowhere. */
  found: FoundFile | null;
}

export type Counts = Partial<Record<Action, number>>;

const namesOf = (calls: readonly Concerned[]) => calls.map(({ callId }) => fileNameOf(callId));
const begun = (at: Date | null | undefined) => (at ? { begunAt: at } : {});

/** Calls that one transaction ends. */
const AT_ONCE = 500;

/**
 * Carries out what `recover` (reconcile.ts) decided, and returns how many calls each action was done to. A decision is
 * as old as the listing it was made from, so each action looks again at what it depends on.
 */
export function createRecovery(options: RecoveryOptions) {
  const { spool, log, inFlight, finish, release, dispose } = options;

  /** What each action does; each returns how many calls it did it to. */
  const perform: Record<Exclude<Action, 'leave'>, (calls: Concerned[]) => Promise<number>> = {
    /** The database first: the other way round a crash in between would leave an open attempt without a file. */
    async release(calls) {
      // Nobody places it any more (not in flight), and it is still there: so nobody ever will.
      const ours = calls.filter(({ callId, found }) => !inFlight(callId) && isStill(found));
      if (ours.length === 0) return 0;
      tell('release', ours);
      await release(ours.map(({ callId }) => callId));
      // fail point: released while staged
      unstage(
        spool,
        ours.map(({ callId }) => fileNameOf(callId)),
      );
      return ours.length;
    },
    async finish(calls) {
      const files = (
        await mapConcurrently(calls, ({ callId }) => awaitArchived(spool, fileNameOf(callId)))
      ).filter((file) => file !== null);
      if (files.length === 0) return 0;
      await finish(
        files.map(({ callId, status, startedAt }) => ({
          callId,
          archiveStatus: status,
          ...begun(startedAt),
        })),
      );
      // fail point: recovered with file left
      await mapConcurrently(files, ({ name }) => dispose(name));
      return files.length;
    },
    lost: (calls) => end('lost', calls),
    conclude: (calls) => end('conclude', calls),
    async remove(calls) {
      const there = calls.filter(({ found }) => isStill(found));
      await mapConcurrently(there, ({ found }) => discard(found!));
      tell('remove', there);
      return there.length;
    },
    async announce(calls) {
      const told = await Promise.all(calls.map(({ callId }) => announceAgain(spool, fileNameOf(callId))));
      const announced = calls.filter((_, i) => told[i] === 'announced');
      tell('announce', announced);
      return announced.length;
    },
    async restore(calls) {
      for (const { callId } of calls) restore(spool, fileNameOf(callId));
      tell('restore', calls);
      return calls.length;
    },
    async withdraw(calls) {
      const ours = await withdrawn(calls);
      unstage(spool, namesOf(ours));
      tell('withdraw', ours);
      return ours.length;
    },
    async quarantine(calls) {
      const waiting = calls.filter(({ found }) => found!.file === 'outgoing' && !found!.begunAt);
      const ours = await withdrawn(waiting);
      const others = calls.filter((call) => !waiting.includes(call) && isStill(call.found));
      await mapConcurrently(namesOf(ours), (name) => quarantine(spool, name, spool.staging));
      await mapConcurrently(others, ({ found }) => quarantine(spool, found!.name, found!.directory));
      const all = [...ours, ...others];
      tell('quarantine', all);
      if (all.length > 0) {
        log.warn(
          { files: all.length, directory: spool.quarantine },
          'call files without an attempt in the database: put aside',
        );
      }
      return all.length;
    },
  };

  async function withdrawn(calls: Concerned[]): Promise<Concerned[]> {
    const answers = await Promise.all(namesOf(calls).map((name) => withdraw(spool, name)));
    return calls.filter((_, i) => answers[i] === 'withdrawn');
  }

  /** Ends calls whose file nobody archives any more. The file goes last: until then the next run finds it again. */
  async function end(action: 'lost' | 'conclude', calls: Concerned[]): Promise<number> {
    // One that Asterisk has not marked as begun might be begun now: that must be ruled out before its contact is free.
    const unmarked = calls.filter(({ found }) => found?.file === 'outgoing' && !found.begunAt);
    const taken = await withdrawn(unmarked);
    const marked = calls.filter(
      (call) => !unmarked.includes(call) && (call.found ? isStill(call.found) : isNowhere(call.callId)),
    );
    const ours = [...taken, ...marked];
    if (ours.length === 0) return 0;
    tell(action, ours);
    const as = action === 'lost' ? { as: action } : {};
    await finish(
      ours.map(({ callId, found }) => ({ callId, archiveStatus: null, ...as, ...begun(found?.begunAt) })),
    );
    // fail point: lost with file left
    unstage(spool, namesOf(taken));
    await mapConcurrently(marked, async ({ found }) => found && discard(found));
    return ours.length;
  }

  function tell(action: Action, calls: readonly Concerned[]): void {
    const level = action === 'remove' ? 'debug' : 'info';
    for (const { callId, found } of calls)
      log[level]({ ...logNamesOf(callId), action, found_in: found?.file ?? 'nowhere' }, 'call reconciled');
  }

  async function discard({ name, file, directory }: FoundFile): Promise<void> {
    if (file === 'staging') unstage(spool, [name]);
    else await dispose(name, directory);
  }

  function isStill(found: FoundFile | null): boolean {
    return found !== null && existsSync(join(found.directory, found.name));
  }

  /** Asked once more: between listings a file can come back (`withdraw`, a person). */
  function isNowhere(callId: CallId): boolean {
    const name = fileNameOf(callId);
    return (
      !inFlight(callId) &&
      ![spool.staging, spool.outgoing, spool.done].some((dir) => existsSync(join(dir, name)))
    );
  }

  return async function carryOut(decisions: ReadonlyMap<Action, Concerned[]>): Promise<Counts> {
    const counts: Counts = {};
    for (const [action, all] of decisions) {
      if (action === 'leave') continue;
      for (let i = 0; i < all.length; i += AT_ONCE) {
        const done = await perform[action](all.slice(i, i + AT_ONCE));
        if (done > 0) counts[action] = (counts[action] ?? 0) + done;
      }
    }
    return counts;
  };
}
