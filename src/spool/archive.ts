import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallId } from '../calls/call-id.js';
import type { ArchiveStatus } from '../calls/disposition.js';
import { begunAt, parseCallFile } from './call-file.js';
import type { Spool } from './directories.js';
import { callIdOfFile } from './name.js';
import { ignoreMissing, readIfThere } from './writer.js';

/** A call that is over, as its file in outgoing_done/ tells. */
export interface ArchivedFile {
  name: string;
  callId: CallId;
  /** Null when Asterisk has not appended it (yet). */
  status: ArchiveStatus | null;
  /** When Asterisk began the call, to the second; null when it never did. */
  startedAt: Date | null;
  /** How often Asterisk began: 1, or more when it dialled again after a restart. */
  attemptsLogged: number;
  /** The last change of the file or its name: when Asterisk was done with it. */
  archivedAt: Date;
}

/** How long the `Status:` line may stay out before a file counts as one that will never get it (Asterisk crashed). */
export const STATUS_GRACE_MS = 2000;
const READ_AGAIN_MS = 20;
const READ_AGAIN_AT_MOST_MS = 200;

/**
 * Reads one file of outgoing_done/ as it is now. Asterisk renames it there first and appends `Status:` after, so a status
 * of null may mean "not yet": `stillWaitsForStatus` tells. Null when there is no such file, or it is not ours.
 */
export function readArchived(spool: Spool, name: string): ArchivedFile | null {
  const callId = callIdOfFile(name);
  const text = callId && readIfThere(join(spool.done, name));
  if (callId === null || text === null) return null;
  const archivedAt = statSync(join(spool.done, name), { throwIfNoEntry: false })?.ctime;
  if (archivedAt === undefined) return null;
  const file = parseCallFile(text);
  return {
    name,
    callId,
    status: file.status,
    // A status, once appended, sets the time to now: only a RetryTime in the file can tell the start.
    startedAt: begunAt(file, new Date(0)),
    attemptsLogged: file.diary.filter((entry) => entry.key === 'StartRetry').length,
    archivedAt,
  };
}

/** Whether a file without a status came to outgoing_done/ so lately that Asterisk may still append it. */
export async function stillWaitsForStatus(
  spool: Spool,
  { name, status }: Pick<ArchivedFile, 'name' | 'status'>,
  graceMs = STATUS_GRACE_MS,
): Promise<boolean> {
  if (status !== null) return false;
  // rename(2) sets ctime. mtime lies days ahead here, put there by Asterisk when it began.
  const found = await stat(join(spool.done, name)).catch(ignoreMissing);
  // A clock that was set back must not make this wait for hours.
  return found !== null && Math.abs(Date.now() - found.ctimeMs) < graceMs;
}

/** Reads an archived file, and again until its status is there or it is older than the grace. Null as `readArchived`. */
export async function awaitArchived(
  spool: Spool,
  name: string,
  graceMs = STATUS_GRACE_MS,
): Promise<ArchivedFile | null> {
  for (let pause = READ_AGAIN_MS; ; pause = Math.min(2 * pause, READ_AGAIN_AT_MOST_MS)) {
    const file = readArchived(spool, name);
    if (!file || !(await stillWaitsForStatus(spool, file, graceMs))) return file;
    await delay(pause);
  }
}
