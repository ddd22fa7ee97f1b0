import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CampanileError, messageOf } from '../errors.js';
import type { Spool } from './directories.js';
import { callIdOfFile } from './name.js';

// An attempt's file is written to staging/, and its name there is on the disk, BEFORE the transaction that claims the
// attempt commits, and one rename(2) into outgoing/ AFTER the commit is the act that places the call. So, whenever a crash
// comes:
//
//   the attempt is open, its file in staging/    the call was never placed, and the attempt can be taken back
//   the attempt is open, its file nowhere        it WAS placed, and somebody took the file away
//   no attempt, a file in staging/               the claim never committed; the file means nothing
//
// and an attempt needs no state between `open` and `ended`.
//
// Only the directory is synced, once for all files, and not what is in them: that matters after a power failure alone, in
// which Asterisk's own `StartRetry` line, which nobody syncs, may be lost as well. A placed file that came back whole but
// without that line would be dialled again; an empty one cannot be. What is left is a power failure in the milliseconds
// between the rename and the sync of outgoing/, which may bring a placed file back to staging/.
//
// What works in the page cache (write, rename, unlink: microseconds) is synchronous, because a thread's turn for each costs
// ten times as much; only the sync, which waits for the disk, is not.

const fsyncLater = promisify(fsync);

export interface StagedFile {
  /** `<call id>.call` */
  name: string;
  content: string;
}

/**
 * Writes call files into staging/, given to their owner; their names are on the disk when it resolves: all of them, or none
 * and it throws a CampanileError (`spool_write_failed`, or `spool_name_refused` for a name that is not ours).
 */
export async function stage(spool: Spool, files: readonly StagedFile[]): Promise<void> {
  for (const { name } of files) checkName(name);
  const written: string[] = [];
  try {
    for (const file of files) {
      write(spool, file);
      written.push(file.name);
      // fail point: one of several staged
    }
    if (files.length > 0) await syncDirectory(spool.staging);
  } catch (error) {
    const name = files[written.length]?.name ?? `${files.length} files`;
    unstage(spool, written);
    throw new CampanileError('spool_write_failed', `cannot write call file ${name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Removes files from staging/; those that are not there are no error. */
export function unstage(spool: Spool, names: readonly string[]): void {
  for (const name of names) checkName(name);
  for (const name of names) remove(join(spool.staging, name));
}

/**
 * Renames staged files into outgoing/, in order: from then on Asterisk calls. Returns those that failed; they are still
 * in staging/ and were not placed.
 */
export function place(spool: Spool, names: readonly string[]): { name: string; reason: string }[] {
  const failed: { name: string; reason: string }[] = [];
  for (const name of names) {
    checkName(name);
    try {
      renameSync(join(spool.staging, name), join(spool.outgoing, name));
      // fail point: one of several placed
    } catch (error) {
      failed.push({ name, reason: messageOf(error) });
    }
  }
  // One is enough: both directories of a rename are in one transaction of the filesystem's journal. Nobody waits for it: the
  // calls are placed, and only a power failure could tell the difference.
  if (failed.length < names.length) syncDirectory(spool.outgoing).catch(() => {});
  return failed;
}

/** Throws unless a name is that of a call file of ours. */
export function checkName(name: string): void {
  if (callIdOfFile(name) === null) {
    throw new CampanileError(
      'spool_name_refused',
      `${JSON.stringify(name)} is not the name of a call file of ours`,
    );
  }
}

/** Handler for a file that may be gone: other errors are thrown on. */
export function ignoreMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}

/** The text of a file, or null when it is not there. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return ignoreMissing(error);
  }
}

/** Removes a file; one that is not there is no error. */
export function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    ignoreMissing(error);
  }
}

function write(spool: Spool, { name, content }: StagedFile): void {
  const path = join(spool.staging, name);
  const file = openSync(path, 'wx', spool.mode);
  try {
    // All of it: a lone write(2) may stop early, when the disk is nearly full, without an error.
    writeFileSync(file, content);
    // The umask took bits from the mode that open() was given.
    fchmodSync(file, spool.mode);
    if (spool.owner) fchownSync(file, spool.owner.uid, spool.owner.gid);
  } catch (error) {
    remove(path);
    throw error;
  } finally {
    closeSync(file);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = openSync(path, 'r');
  await fsyncLater(directory).finally(() => closeSync(directory));
}
