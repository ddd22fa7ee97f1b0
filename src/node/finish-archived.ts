import type { Ending } from '../db/finish.js';
import { findAttemptStates } from '../db/open-attempts.js';
import type { Db } from '../db/pool.js';
import type { ArchivedFile } from '../spool/archive.js';

/**
 * How long the hangup handler's report may come after the archived file. On a routed call the handler runs on one half
 * of a Local channel, and Asterisk archives when the other half ends; a call on a trunk that the PBX does not know is
 * never reported.
 */
const REPORT_GRACE_MS = 1000;

/**
 * Ends the calls of archived files and disposes of the files. Those that still lack their report are left: the watcher
 * hands them again, after half a second first.
 */
export function createFinishArchived(options: {
  db: Db;
  /** Ends the calls and returns those that ended just now. */
  finish(endings: Ending[]): Promise<ReadonlySet<string>>;
  dispose(name: string): Promise<void>;
}): (files: readonly ArchivedFile[]) => Promise<void> {
  const { db, finish, dispose } = options;
  const waitingSince = new Map<string, number>();

  return async (files) => {
    // Not the time of day, which may be set.
    const now = performance.now();
    const endings = files.map(({ callId, status, startedAt, archivedAt }) => ({
      callId,
      archiveStatus: status,
      begunAt: startedAt,
      freedAt: archivedAt,
      reportMayCome: status !== 'Failed' && now - (waitingSince.get(callId) ?? now) < REPORT_GRACE_MS,
    }));
    // fail point: archived file read
    const ended = await finish(endings);
    // fail point: ended with file left
    const doubtful = files.filter(({ callId }) => !ended.has(callId)).map(({ callId }) => callId);
    const states = doubtful.length > 0 ? await findAttemptStates(db, doubtful) : new Map();
    const over = files.filter(({ callId }) => ended.has(callId) || states.get(callId)?.state === 'ended');
    await Promise.all(over.map(({ name }) => dispose(name)));
    // fail point: file removed
    for (const { callId } of over) waitingSince.delete(callId);
    for (const callId of doubtful) {
      const waits = states.get(callId)?.state === 'open';
      if (!waits) waitingSince.delete(callId);
      else if (!waitingSince.has(callId)) waitingSince.set(callId, now);
    }
  };
}
