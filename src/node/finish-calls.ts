import type { TransferTold } from '../calls/flow/transfer.js';
import type { Ending } from '../db/finish.js';
import type { Logger } from '../log.js';
import type { Reports } from '../spool/reports.js';
import type { OpenCalls } from './open-calls.js';
import type { CallTransfers } from './transfers.js';
import type { Turns } from './turns.js';

export interface FinishingOptions {
  turns: Turns;
  reports: Reports;
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
  const { turns, reports, openCalls, transfers, log } = options;
  const callIds = endings.map((e) => e.callId);
  const found = reports.find(callIds);
  // fail point: report read
  await endTransfers(reports.findTransfers(callIds), transfers, log);
  const finished = await turns.finish(
    endings.map((ending) => {
      const report = found.get(ending.callId);
      return report ? { ...ending, report } : ending;
    }),
  );
  // fail point: ended with report left
  const ended = new Set(finished.map((f) => f.callId));
  openCalls.remove(endings.filter((e) => !e.reportMayCome || ended.has(e.callId)).map((e) => e.callId));
  reports.forget([...ended]);
  for (const f of finished) log.debug({ call: f.callId, disposition: f.disposition }, 'call ended');
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
      .catch((error) => log.error({ call: callId, err: error }, 'cannot write down how a transfer ended'));
  }
}
