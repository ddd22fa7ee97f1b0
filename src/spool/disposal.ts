import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Spool } from './directories.js';
import { checkName, ignoreMissing, remove } from './writer.js';

/** Call files that have served: removed, or kept for as long as the admin wants. */
export interface Disposal {
  /** Takes a file out of `directory` (outgoing_done/ unless told). A file that is not there is no error. */
  dispose(name: string, directory?: string): Promise<void>;
  /** Removes what was kept for long enough; returns how many hours' directories that were. */
  purge(): Promise<number>;
}

/** Says that the one try is over: an Asterisk that finds the file in outgoing/ again closes it, whatever its pid, and dials nobody. */
const USED_UP = '\nEndRetry: 0 1 (0)\n';
const HOUR_MS = 3_600_000;
const HOUR = /^\d{4}-\d\d-\d\dT\d\d$/;

/**
 * Files go to `kept/<UTC hour of their disposal>/` for `keepSeconds`, or away at once when that is 0. A directory for
 * each hour, because purging must not look at each of a million files: one is kept up to an hour longer.
 */
export function createDisposal(
  spool: Spool,
  keepSeconds: number,
  now: () => Date = () => new Date(),
): Disposal {
  return {
    async dispose(name, directory = spool.done) {
      checkName(name);
      const path = join(directory, name);
      if (keepSeconds <= 0) {
        remove(path);
        return;
      }
      const hour = join(spool.kept, now().toISOString().slice(0, 13));
      await rename(path, join(hour, name)).catch(async () => {
        await mkdir(hour, { recursive: true });
        await rename(path, join(hour, name)).catch(ignoreMissing);
      });
      useUp(join(hour, name));
    },
    async purge() {
      const over = (await readdir(spool.kept)).filter(
        (hour) =>
          HOUR.test(hour) && Date.parse(`${hour}:00:00Z`) + HOUR_MS + keepSeconds * 1000 <= now().getTime(),
      );
      for (const hour of over) await rm(join(spool.kept, hour), { recursive: true, force: true });
      return over.length;
    },
  };
}

/** Puts a file that no attempt belongs to aside, where a person can look at it. */
export async function quarantine(spool: Spool, name: string, directory: string): Promise<void> {
  checkName(name);
  await rename(join(directory, name), join(spool.quarantine, name)).catch(ignoreMissing);
  useUp(join(spool.quarantine, name));
}

/** On a disk that is full it stays as it is: that is no reason not to put it away. */
function useUp(path: string): void {
  try {
    const file = openSync(path, constants.O_WRONLY | constants.O_APPEND);
    try {
      writeSync(file, USED_UP);
    } finally {
      closeSync(file);
    }
  } catch {}
}
