import { type Ending, finishAttempts } from '../db/finish.js';
import { noteCalls } from '../db/open-attempts.js';
import type { Pool } from '../db/pool.js';
import type { Logger } from '../log.js';
import type { Spool } from '../spool/directories.js';
import { readReports, removeReports } from '../spool/reports.js';
import type { OpenCalls } from './open-calls.js';

export interface FinishingOptions {
  pool: Pool;
  node: string;
  spool: Spool;
  openCalls: OpenCalls;
  log: Logger;
  /** Called when ports came free. */
  onFreed(): void;
}

/**
 * Ends calls, wherever it was learnt that they are over: the archive, the sweep or a start. Reports that the dialplan
 * left in files, because FastAGI could not be reached, are written down first. Returns the calls that ended just now: those
 * that are missing had ended before, never were, or wait for a report that may yet come.
 */
export async function finishCalls(
  endings: readonly Ending[],
  options: FinishingOptions,
): Promise<Set<string>> {
  const { pool, node, spool, openCalls, log, onFreed } = options;
  const callIds = endings.map((e) => e.callId);
  const reports = await readReports(spool, callIds);
  if (reports.size > 0) {
    const notes = [...reports].map(([callId, hangup]) => ({
      callId,
      answeredAt: null,
      heardSeconds: null,
      key: null,
      hangup,
    }));
    await noteCalls(pool, node, notes);
  }
  const finished = await finishAttempts(pool, endings);
  const ended = new Set(finished.map((f) => f.callId));
  openCalls.remove(endings.filter((e) => !e.reportMayCome || ended.has(e.callId)).map((e) => e.callId));
  if (reports.size > 0) await removeReports(spool, [...reports.keys()]);
  for (const f of finished) log.debug({ call: f.callId, disposition: f.disposition }, 'call ended');
  if (finished.length > 0) onFreed();
  return ended;
}
