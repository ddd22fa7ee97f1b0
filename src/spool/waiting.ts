import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallId } from '../calls/call-id.js';
import type { Spool } from './directories.js';
import type { FoundFile } from './inventory.js';
import { callIdOfFile } from './name.js';
import { isFrozen } from './withdrawal.js';
import { ignoreMissing } from './writer.js';

// Asterisk hears of a file by an event of inotify, and takes it within a second or two. When its queue of events has
// overflowed it never hears of the file, and does not look: whoever waits for it must announce it again.

/** How long a file waits before it is announced again, in seconds. */
export const ANNOUNCE_SECONDS = 2.5;
/** An Asterisk that takes nothing at all is told twice as late each time, and at least so often. */
const ANNOUNCE_AT_LEAST_SECONDS = 60;
/** What has waited for so long is called untaken: announcing it did not help. */
const UNTAKEN_SECONDS = 10;

/** Remembers since when the files of outgoing/ wait. A file that is announced again is as new: what counts is when it was seen first. */
export class Waiting {
  #since: ReadonlyMap<CallId, Date> = new Map();
  #untaken: { files: number; since: Date } | null = null;

  /** What an inventory shows. */
  look(files: readonly FoundFile[], now: Date): void {
    // A file that is being withdrawn has a time that lies ahead: withdrawal.ts.
    const found = files.filter(
      ({ file, begunAt, writtenAt }) => file === 'outgoing' && begunAt === null && writtenAt <= now,
    );
    this.#since = new Map(
      found.map(({ callId, writtenAt }) => {
        const known = this.#since.get(callId) ?? writtenAt;
        return [callId, known < writtenAt ? known : writtenAt];
      }),
    );
    const latest = now.getTime() - UNTAKEN_SECONDS * 1000;
    const times = [...this.#since.values()].map((since) => since.getTime()).filter((at) => at <= latest);
    this.#untaken = times.length === 0 ? null : { files: times.length, since: new Date(Math.min(...times)) };
  }

  /** What waits since long; null: nothing. */
  get untaken(): { files: number; since: Date } | null {
    return this.#untaken;
  }

  /** For how long a file must lie as it does before it is announced (again): as long as it had waited before. */
  patienceSeconds({ callId, writtenAt }: FoundFile, atLeast: number): number {
    const since = this.#since.get(callId) ?? writtenAt;
    const waited = (writtenAt.getTime() - since.getTime()) / 1000;
    return Math.max(atLeast, Math.min(waited, ANNOUNCE_AT_LEAST_SECONDS));
  }
}

/**
 * Sees that a file waits for longer than Asterisk takes, and has `reconcile` announce it. Looks at each file once while it lies
 * as it does. Returns how many waited. To be called every second.
 */
export function createWaitingWatch(
  spool: Pick<Spool, 'outgoing'>,
  reconcile: () => Promise<unknown>,
  patienceSeconds = ANNOUNCE_SECONDS,
): () => Promise<number> {
  let seen = new Set<string>();
  return async () => {
    const names = (await readdir(spool.outgoing).catch(ignoreMissing)) ?? [];
    const now = Date.now();
    const still = new Set<string>();
    let late = 0;
    for (const name of names.filter((one) => callIdOfFile(one) !== null)) {
      if (seen.has(name)) {
        still.add(name);
        continue;
      }
      const found = await stat(join(spool.outgoing, name)).catch(ignoreMissing);
      if (!found) continue;
      const hasBegun = found.mtimeMs > now && !isFrozen(found);
      const waited = Math.abs(now - found.ctimeMs) >= patienceSeconds * 1000;
      if (!hasBegun && waited) late += 1;
      if (hasBegun || waited) still.add(name);
    }
    seen = still;
    if (late > 0) await reconcile();
    return late;
  };
}
