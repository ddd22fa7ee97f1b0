import type { Ending } from '../db/finish.js';
import type { Logger } from '../log.js';
import type { Spool } from '../spool/directories.js';
import { readReports, removeReports } from '../spool/reports.js';
import type { OpenCalls } from './open-calls.js';
import type { Turns } from './turns.js';

export interface FinishingOptions {
  turns: Turns;
  spool: Spool;
  openCalls: OpenCalls;
  log: Logger;
}

/**
 * Ends calls, wherever it was learnt that they are over: the archive, the sweep or a start, by the reports that the
 * dialplan left in files and what FastAGI was told. Returns the calls that ended just now: those that are missing had
 * ended before, never were, or wait for a report that may yet come.
 */
export async function finishCalls(
  endings: readonly Ending[],
  options: FinishingOptions,
): Promise<Set<string>> {
  const { turns, spool, openCalls, log } = options;
  const reports = readReports(
    spool,
    endings.map((e) => e.callId),
  );
  const finished = await turns.finish(
    endings.map((ending) => {
      const report = reports.get(ending.callId);
      return report ? { ...ending, report } : ending;
    }),
  );
  const ended = new Set(finished.map((f) => f.callId));
  openCalls.remove(endings.filter((e) => !e.reportMayCome || ended.has(e.callId)).map((e) => e.callId));
  removeReports(spool, [...reports.keys()]);
  for (const f of finished) log.debug({ call: f.callId, disposition: f.disposition }, 'call ended');
  return ended;
}
