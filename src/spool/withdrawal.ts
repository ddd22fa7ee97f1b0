import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { begunAt, type CallFile, parseCallFile } from './call-file.js';
import type { Spool } from './directories.js';
import { checkName, ignoreMissing } from './writer.js';

// Taking a file away from under Asterisk. What pbx_spool.c (22; likewise since 1.8) does, and what follows:
//
//   It takes a file on IN_MOVED_TO, and on IN_CLOSE_WRITE only of a name that IN_CREATE announced before. Opening a
//   file that has lain there for append and closing it does nothing. link(2) makes an IN_CREATE; open and close after
//   it make Asterisk look at once (a link alone is looked at after two seconds, unless a reader opens the file in
//   these: then never).
//
//   It looks in one thread: stat, and a file whose mtime lies ahead waits; open, read, close; append `StartRetry` BY
//   NAME, which makes the name anew if we took it away after the read; set mtime ahead by two RetryTimes; dial.
//   So rename(2) back into outgoing/ could replace that new file by one that looks untouched, and the person would be
//   called twice. link(2) fails with EEXIST instead: that is how a file goes back here.
//
//   When a call is over it renames the name away, and if the name is not there nobody ever learns. So a file whose
//   call has begun is never moved, and where that is only seen afterwards it goes back at once.

export type Withdrawal = 'withdrawn' | 'begun' | 'gone';

/** How long Asterisk may take between reading a file and appending to it: microseconds, unless the machine swaps. */
const SETTLE_MS = 100;
const LOOK_EVERY_MS = 2;
/**
 * A call can fail within half a millisecond, and Asterisk must find the name again when it does. So the first moment is
 * watched without a break: with pauses of 20 ms, 2 of 1,000 withdrawals aimed at that moment (Asterisk 22.10, calls
 * that end at once) left the file of a call that was over in outgoing/; nothing would ever have taken it away.
 */
const WATCH_MS = 1;

/**
 * Takes a file that Asterisk has not begun out of outgoing/ into staging/, where it counts as never placed; remove it
 * there (`unstage`) once the database knows. `begun`: the call is being made, the file was left in outgoing/ or put
 * back. `gone`: it is not in outgoing/ (any more).
 */
export async function withdraw(spool: Spool, name: string): Promise<Withdrawal> {
  checkName(name);
  // Many are withdrawn at once when a campaign is cancelled: other work gets its turn between them.
  await setImmediate();
  const outgoing = join(spool.outgoing, name);
  const staged = join(spool.staging, name);
  const seen = look(outgoing);
  if (!seen) return 'gone';
  if (seen.begunAt) return 'begun';
  spool.withdrawing.add(name);
  try {
    if (!moved(outgoing, staged)) return 'gone';
    watchForAppend(staged);
    for (let waited = 0; ; waited += LOOK_EVERY_MS) {
      // Asterisk opened the file before the rename and wrote into it after: that is in the file we hold.
      if (look(staged)?.begunAt) {
        restore(spool, name);
        return 'begun';
      }
      // Asterisk read the file before the rename and appended by name after: that made a new file.
      if (existsSync(outgoing) || existsSync(join(spool.done, name))) {
        unlinkSync(staged);
        return 'begun';
      }
      if (waited >= SETTLE_MS) return 'withdrawn';
      await delay(LOOK_EVERY_MS);
    }
  } finally {
    spool.withdrawing.delete(name);
  }
}

/**
 * Has Asterisk look again at a file that it seems to have missed. The name is gone from outgoing/ for the microseconds
 * between two system calls. staging/ keeps a second link to the file: should Asterisk have tried to open it just then,
 * it deletes the name, and the file counts as never placed. The next reconciliation removes that link.
 */
export async function announceAgain(spool: Spool, name: string): Promise<'announced' | 'begun' | 'gone'> {
  checkName(name);
  const outgoing = join(spool.outgoing, name);
  const staged = join(spool.staging, name);
  const seen = look(outgoing);
  if (!seen) return 'gone';
  if (seen.begunAt) return 'begun';
  if (!moved(outgoing, staged)) return 'gone';
  if (!linked(staged, outgoing)) {
    unlinkSync(staged);
    return 'begun';
  }
  touch(outgoing);
  return 'announced';
}

/** Puts a staged file whose call has begun back, so that Asterisk finds it when the call is over. */
export function restore(spool: Spool, name: string): void {
  checkName(name);
  const staged = join(spool.staging, name);
  const seen = look(staged);
  if (!seen) return;
  const printed = seen.file.diary.findLast((entry) => entry.key === 'StartRetry')?.time;
  // Asterisk's own setting of the time found no file. Without it a restart of Asterisk would dial again at once.
  if (printed && printed.getTime() > Date.now()) utimesSync(staged, new Date(), printed);
  // It may hold its status already, when it is the second link that `announceAgain` left: then it is over.
  linked(staged, join(seen.file.status ? spool.done : spool.outgoing, name));
  unlinkSync(staged);
}

// Synchronous, so that no other work of this process comes between looking and moving.

interface Look {
  file: CallFile;
  begunAt: Date | null;
}

/** A call file as it is now, or null when it is not there. */
export function look(path: string): Look | null {
  try {
    const { mtime } = statSync(path);
    const file = parseCallFile(readFileSync(path, 'utf8'));
    return { file, begunAt: begunAt(file, mtime) };
  } catch (error) {
    return ignoreMissing(error);
  }
}

function watchForAppend(path: string): void {
  const { size } = statSync(path);
  const end = performance.now() + WATCH_MS;
  while (statSync(path).size === size && performance.now() < end);
}

function moved(from: string, to: string): boolean {
  return succeeds('ENOENT', () => renameSync(from, to));
}

function linked(from: string, to: string): boolean {
  return succeeds('EEXIST', () => linkSync(from, to));
}

/** Opens for append without making the file: Asterisk may have archived it already. */
function touch(path: string): void {
  succeeds('ENOENT', () => closeSync(openSync(path, constants.O_WRONLY | constants.O_APPEND)));
}

function succeeds(expected: string, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === expected) return false;
    throw error;
  }
}
