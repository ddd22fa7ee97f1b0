import { logNamesOf } from '../calls/call-id.js';
import type { Ending } from '../db/finish.js';
import { listCancelledCalls } from '../db/open-attempts.js';
import type { Db } from '../db/pool.js';
import type { Logger } from '../log.js';
import type { Spool } from '../spool/directories.js';
import { fileNameOf } from '../spool/name.js';
import { withdraw } from '../spool/withdrawal.js';
import { unstage } from '../spool/writer.js';

/**
 * Takes the files of cancelled campaigns out of the spool that Asterisk has not begun, and ends their attempts as
 * `cancelled`. Calls in progress go on. Returns how many were taken out.
 */
export async function withdrawCancelledCalls(options: {
  db: Db;
  node: string;
  spool: Spool;
  inFlight: ReadonlySet<string>;
  finish(endings: Ending[]): Promise<unknown>;
  log: Logger;
}): Promise<number> {
  const { db, node, spool, inFlight, finish, log } = options;
  const callIds = (await listCancelledCalls(db, node)).filter((callId) => !inFlight.has(callId));
  const results = await Promise.all(callIds.map((callId) => withdraw(spool, fileNameOf(callId))));
  const withdrawn = callIds.filter((_, i) => results[i] === 'withdrawn');
  if (withdrawn.length === 0) return 0;
  for (const callId of withdrawn) log.info(logNamesOf(callId), 'call withdrawn: its campaign was cancelled');
  await finish(withdrawn.map((callId) => ({ callId, archiveStatus: null, as: 'cancelled' as const })));
  // fail point: cancelled while staged
  unstage(spool, withdrawn.map(fileNameOf));
  return withdrawn.length;
}
