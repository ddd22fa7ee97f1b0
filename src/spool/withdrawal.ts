import {
  closeSync,
  constants,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { begunAt, type CallFile, directiveOf, parseCallFile } from './call-file.js';
import type { Spool } from './directories.js';
import { checkName, ignoreMissing } from './writer.js';

// Taking a file away from under Asterisk. What pbx_spool.c does (read there; 22.10 was watched doing it):
//
//   It takes a file on IN_MOVED_TO, and on IN_CLOSE_WRITE only of a name that IN_CREATE announced before. Opening a
//   file that has lain there for append and closing it does nothing. link(2) makes an IN_CREATE; open and close after
//   it make Asterisk look at once (a link alone is looked at after two seconds, unless a reader opens the file in
//   these: then never).
//
//   It looks in one thread: stat, and a file whose mtime lies ahead waits until then; read; append `StartRetry` BY
//   NAME; set mtime ahead by two RetryTimes; dial. When the call is over it renames the name away, and if the name is
//   not there then, nobody ever learns.
//
// So a name must not be missing while Asterisk is at work on it. If it is, the append makes a new file of that name; a
// rename(2) back over it makes the call look untouched, and the person is called twice (3 of 1,500 tries that aimed at
// that moment did; of as many, some calls were over and never archived). Therefore a file is frozen first, where it
// lies: its mtime is set far ahead, which makes no event. From then on Asterisk either was past its stat, and writes
// into the file within microseconds, or does not touch it; and only after that the file is moved.

export type Withdrawal = 'withdrawn' | 'begun' | 'gone';

/** How long Asterisk may take from its stat to its append: microseconds, some milliseconds on a crowded machine. */
const SETTLE_MS = 200;

/** Farther ahead than Asterisk sets it. Should we die now, the next reconciliation finds the file waiting and thaws it. */
const FROZEN_SECONDS = 25 * 86_400;

/** Two RetryTimes of the templates. */
const ASTERISKS_SECONDS = 20 * 86_400;

/** A time that is less ahead tells nothing. */
const LONGEST_DOUBT_SECONDS = 86_400;

/** Paths that `withdraw` is at work on: a second one would move a file that the first is putting back. */
const underWay = new Set<string>();

/**
 * Takes a file that Asterisk has not begun out of outgoing/ into staging/, where it counts as never placed; remove it
 * there (`unstage`) once the database knows. `begun`: the call is being made, and the file stays. `gone`: it is not in
 * outgoing/ (any more), or somebody else is just withdrawing it. Takes 0.2 s; any number may be under way.
 */
export async function withdraw(spool: Spool, name: string): Promise<Withdrawal> {
  checkName(name);
  const outgoing = join(spool.outgoing, name);
  if (underWay.has(outgoing)) return 'gone';
  const before = look(outgoing);
  if (!before) return 'gone';
  if (before.begunAt) return 'begun';
  underWay.add(outgoing);
  try {
    if (!frozen(outgoing)) return 'gone';
    await delay(SETTLE_MS);
    const after = look(outgoing);
    // fail point: frozen before withdrawn
    if (after?.begunAt) return 'begun';
    const isOurs = moved(outgoing, join(spool.staging, name));
    // fail point: withdrawn
    return isOurs ? 'withdrawn' : 'gone';
  } finally {
    underWay.delete(outgoing);
  }
}

/** Has Asterisk look again at a file that it seems to have missed. Takes 0.2 s. */
export async function announceAgain(spool: Spool, name: string): Promise<'announced' | 'begun' | 'gone'> {
  const answer = await withdraw(spool, name);
  if (answer !== 'withdrawn') return answer;
  const outgoing = join(spool.outgoing, name);
  const staged = join(spool.staging, name);
  const now = new Date();
  utimesSync(staged, now, now);
  // Not rename(2): should Asterisk, against all odds, have made the name anew, it must not be replaced.
  const announced = linked(staged, outgoing);
  if (announced) touch(outgoing);
  // fail point: announced while staged
  unlinkSync(staged);
  return announced ? 'announced' : 'begun';
}

/** Puts a staged file whose call has begun back, so that Asterisk finds it when the call is over. */
export function restore(spool: Spool, name: string): void {
  checkName(name);
  const staged = join(spool.staging, name);
  const seen = look(staged);
  if (!seen) return;
  // As Asterisk set it, or would have. Without it a restart of Asterisk would dial again at once.
  frozen(staged, ASTERISKS_SECONDS);
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
    const { mtime, ctime } = statSync(path);
    const file = parseCallFile(readFileSync(path, 'utf8'));
    return { file, begunAt: begunAt(file, mtime) ?? begunUnwritten(file, mtime, ctime) };
  } catch (error) {
    return ignoreMissing(error);
  }
}

/** On a full disk `StartRetry` may be missing, but the time is set: two RetryTimes ahead, which ours is not. */
function begunUnwritten(file: CallFile, mtime: Date, ctime: Date): Date | null {
  const ahead = 2 * Number(directiveOf(file, 'RetryTime') ?? 0);
  if (ahead < LONGEST_DOUBT_SECONDS) return null;
  const off = mtime.getTime() - ctime.getTime() - ahead * 1000;
  return Math.abs(off) <= 5000 ? ctime : null;
}

/** Whether a file is as `withdraw` leaves it where we die in it. */
export function isFrozen({ mtimeMs, ctimeMs }: { mtimeMs: number; ctimeMs: number }): boolean {
  const between = (FROZEN_SECONDS + ASTERISKS_SECONDS) / 2;
  return mtimeMs - ctimeMs > between * 1000;
}

function frozen(path: string, seconds = FROZEN_SECONDS): boolean {
  const ahead = Date.now() / 1000 + seconds;
  return succeeds('ENOENT', () => utimesSync(path, ahead, ahead));
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
