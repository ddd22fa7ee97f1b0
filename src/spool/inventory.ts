import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallId } from '../calls/call-id.js';
import type { Spool } from './directories.js';
import { callIdOfFile } from './name.js';
import type { Place } from './reconcile.js';
import { look } from './withdrawal.js';
import { ignoreMissing } from './writer.js';

/** A call file of ours that lies in the spool and that nobody is at work on. */
export interface FoundFile {
  callId: CallId;
  name: string;
  file: Exclude<Place, 'nowhere'>;
  directory: string;
  /** The last change of the file or its name. */
  since: Date;
  begunAt: Date | null;
  /** Whether the Asterisk that runs now began it, and not one before: null where only the clock can tell. */
  sameRun: boolean | null;
  /** When it was written. */
  writtenAt: Date;
}

export interface Inventory {
  files: FoundFile[];
  /** All call ids that were seen anywhere, those of files that somebody is at work on included. */
  seen: Set<CallId>;
  /** When the running Asterisk started; null when it does not run. */
  asteriskStartedAt: Date | null;
}

export interface InventoryOptions {
  /** Whether somebody is between claiming and placing this call. Never true again once it was false after that. */
  inFlight(callId: CallId): boolean;
  /** A file of outgoing/ is opened at this age to see whether its call has begun. */
  announceSeconds: number;
}

/**
 * Lists the call files of the three directories, again and again; remembers which calls have begun, and under which run of
 * Asterisk: clocks can be set, so the time of a call's begin is asked only where nobody was here to see it.
 */
export function createInventory(spool: Spool, { inFlight, announceSeconds }: InventoryOptions) {
  const begun = new Map<string, Date>();
  /** The run of Asterisk that a call was seen to be begun in; null when it may have been one before. */
  const runs = new Map<string, number | null>();
  /** Which start it was that is known to have happened, and what lay in outgoing/ when that was seen. */
  let run: number | null = null;
  let before = new Set<string>();
  const directories = {
    staging: spool.staging,
    outgoing: spool.outgoing,
    outgoing_done: spool.done,
  } as const;

  /** From the first directory of a file's life to the last: one that moves on meanwhile is met again, not missed. */
  return async function takeInventory(): Promise<Inventory> {
    const places = new Map<string, FoundFile['file'][]>();
    for (const [file, directory] of Object.entries(directories) as [FoundFile['file'], string][]) {
      for (const name of (await readdir(directory).catch(ignoreMissing)) ?? []) {
        if (callIdOfFile(name) !== null) places.set(name, [...(places.get(name) ?? []), file]);
      }
    }
    for (const known of [begun, runs]) {
      for (const name of known.keys()) if (!places.get(name)?.includes('outgoing')) known.delete(name);
    }
    // After the listing, and looked at right after it: a start takes longer than that to its first call (asterisk-run.ts).
    const asteriskStartedAt = await spool.asteriskStartedAt();
    if (asteriskStartedAt && asteriskStartedAt.getTime() !== run) {
      run = asteriskStartedAt.getTime();
      before = new Set([...places].flatMap(([name, found]) => (found.includes('outgoing') ? [name] : [])));
    }
    return {
      asteriskStartedAt,
      files: [...places].flatMap(([name, found]) => inspect(name, found) ?? []),
      seen: new Set([...places.keys()].map((name) => callIdOfFile(name)!)),
    };
  };

  /**
   * The file where it lies now, or null to pass it over this time. A listing is old when it is read: what counts is
   * seen here, and nothing else of this process comes between asking `inFlight` and looking.
   */
  function inspect(name: string, found: FoundFile['file'][]): FoundFile | null {
    const callId = callIdOfFile(name)!;
    if (inFlight(callId)) return null;
    // Of a file with two links (we died in announceAgain) the one that is further on counts.
    const file = found.at(-1)!;
    const directory = directories[file];
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    // Moved on since it was listed; or a directory, which is not ours.
    if (!stat?.isFile()) return null;
    const begunAt = begunAtOf(name, file, stat);
    const sameRun = begunAt && file === 'outgoing' ? isOfThisRun(name) : null;
    return { callId, name, file, directory, since: stat.ctime, begunAt, sameRun, writtenAt: stat.mtime };
  }

  function isOfThisRun(name: string): boolean | null {
    const known = runs.get(name);
    if (known === undefined) runs.set(name, before.has(name) ? null : run);
    const of = runs.get(name) ?? null;
    return of === null ? null : of === run;
  }

  /**
   * Opening a file of outgoing/ makes an event that Asterisk must read. So only a file that looks begun, by its time
   * that lies ahead, or one that has waited for long is opened, and one that has begun never again.
   */
  function begunAtOf(
    name: string,
    file: FoundFile['file'],
    stat: { mtimeMs: number; ctimeMs: number },
  ): Date | null {
    if (file === 'outgoing_done') return null;
    if (file === 'staging') return look(join(spool.staging, name))?.begunAt ?? null;
    const known = begun.get(name);
    if (known) return known;
    const now = Date.now();
    if (stat.mtimeMs <= now && now - stat.ctimeMs < announceSeconds * 1000) return null;
    const begunAt = look(join(spool.outgoing, name))?.begunAt ?? null;
    // A file that Asterisk is just making anew tells no right time yet (call-file.ts).
    if (begunAt && begunAt.getTime() <= now) begun.set(name, begunAt);
    return begunAt;
  }
}
