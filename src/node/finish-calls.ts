import { type Ending, finishAttempts } from '../db/finish.js';
import type { Pool } from '../db/pool.js';
import type { Logger } from '../log.js';
import type { Spool } from '../spool/directories.js';
import { readReports, removeReports } from '../spool/reports.js';
import type { OpenCalls } from './open-calls.js';

export interface FinishingOptions {
  pool: Pool;
  spool: Spool;
  openCalls: OpenCalls;
  log: Logger;
  /** Called when ports came free. */
  onFreed(): void;
}

/**
 * Ends calls, wherever it was learnt that they are over: the archive, the sweep or a start, by the reports that the
 * dialplan left in files and what FastAGI was told. Returns the calls that ended just now: those
 * that are missing had ended before, never were, or wait for a report that may yet come.
 */
export async function finishCalls(
  endings: readonly Ending[],
  options: FinishingOptions,
): Promise<Set<string>> {
  const { pool, spool, openCalls, log, onFreed } = options;
  const callIds = endings.map((e) => e.callId);
  const reports = readReports(spool, callIds);
  const finished = await finishAttempts(
    pool,
    endings.map((ending) => {
      const report = reports.get(ending.callId);
      return report ? { ...ending, report } : ending;
    }),
  );
  const ended = new Set(finished.map((f) => f.callId));
  openCalls.remove(endings.filter((e) => !e.reportMayCome || ended.has(e.callId)).map((e) => e.callId));
  removeReports(spool, [...reports.keys()]);
  for (const f of finished) log.debug({ call: f.callId, disposition: f.disposition }, 'call ended');
  if (finished.length > 0) onFreed();
  return ended;
}
