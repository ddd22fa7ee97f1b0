import { logNamesOf } from '../calls/call-id.js';
import type { TransferTold } from '../calls/flow/transfer.js';
import { hangupNames } from '../calls/report.js';
import type { Ending } from '../db/finish.js';
import type { Logger } from '../log.js';
import type { Journal } from '../spool/journal.js';
import type { Reports } from '../spool/reports.js';
import { tellEnded } from './call-log.js';
import type { OpenCalls } from './open-calls.js';
import type { CallTransfers } from './transfers.js';
import type { Turns } from './turns.js';

export interface FinishingOptions {
  turns: Turns;
  reports: Reports;
  journal: Pick<Journal, 'ended'>;
  openCalls: OpenCalls;
  transfers: Pick<CallTransfers, 'ended'>;
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
  const { turns, reports, journal, openCalls, transfers, log } = options;
  const callIds = endings.map((e) => e.callId);
  const found = reports.find(callIds);
  // fail point: report read
  await endTransfers(reports.findTransfers(callIds), transfers, log);
  for (const [callId, report] of found)
    log.debug({ ...logNamesOf(callId), told_by: 'file', ...hangupNames(report) }, 'hangup reported');
  const at = new Date();
  const finished = await turns.finish(
    endings.map((ending) => {
      const placedAt = openCalls.placedAt(ending.callId);
      const report = found.get(ending.callId);
      return report ? { ...ending, placedAt, report } : { ...ending, placedAt };
    }),
  );
  // fail point: ended with report left
  const ended = new Set(finished.map((f) => f.callId));
  openCalls.remove(endings.filter((e) => !e.reportMayCome || ended.has(e.callId)).map((e) => e.callId));
  reports.forget([...ended]);
  const begun = new Map(endings.map(({ callId, begunAt }) => [callId, begunAt ?? null]));
  tellEnded(finished, (callId) => begun.get(callId) ?? null, log);
  try {
    journal.ended(finished, at);
  } catch (error) {
    // They have ended all the same; after a restore of the database they would be `lost`.
    log.error({ calls: finished.length, err: error }, 'cannot write down in the journal how calls ended');
  }
  return ended;
}

/** How it ended is lost where that cannot be written down, and then it is `unknown`: no reason to keep the call open. */
async function endTransfers(
  told: ReadonlyMap<string, TransferTold>,
  transfers: FinishingOptions['transfers'],
  log: Logger,
): Promise<void> {
  for (const [callId, transfer] of told) {
    await transfers
      .ended(callId, transfer)
      .catch((error) =>
        log.error({ ...logNamesOf(callId), err: error }, 'cannot write down how a transfer ended'),
      );
  }
}
