import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallId, parseCallId } from '../calls/call-id.js';
import { type HangupReport, parseReport } from '../calls/report.js';
import { mapConcurrently } from './concurrency.js';
import type { Spool } from './directories.js';
import { ignoreMissing } from './writer.js';

// `<spool>/campanile/reports/<call id>`, written by [campanile-report] of dialplan/campanile.conf when FastAGI did not
// take the report. Lines of
//
//   hangup|HANGUPCAUSE|SIP status|DIALSTATUS|channel|hangup source|seconds in all|seconds talked
//
// Asterisk appends; the last whole line counts. It runs the hangup handler before it archives the call file, so the
// report of an archived call is there or never comes.

const FIELDS = 8;

/** What the hangup handler left of a call in a file, or null when there is no such file or nothing whole in it. */
export async function readReport(spool: Spool, callId: CallId): Promise<HangupReport | null> {
  const text = await readFile(pathOf(spool, callId), 'utf8').catch(ignoreMissing);
  const line = text
    ?.split('\n')
    .map((row) => row.trim().split('|'))
    .findLast(([first, ...values]) => first === 'hangup' && values.length === FIELDS - 1);
  return line ? parseReport(line.slice(1)) : null;
}

/** The reports that there are of these calls. Costs one readdir when there are none at all, which is the rule. */
export async function readReports(
  spool: Spool,
  callIds: readonly CallId[],
): Promise<Map<CallId, HangupReport>> {
  const there = new Set(await readdir(spool.reports));
  const ids = callIds.filter((callId) => there.has(callId));
  const reports = await mapConcurrently(ids, (callId) => readReport(spool, callId));
  return new Map(
    ids.flatMap((callId, i) => {
      const report = reports[i];
      return report ? [[callId, report] as const] : [];
    }),
  );
}

/** Removes reports; those that are not there are no error. */
export async function removeReports(spool: Spool, callIds: readonly CallId[]): Promise<void> {
  await mapConcurrently(callIds, (callId) => unlink(pathOf(spool, callId)).catch(ignoreMissing));
}

function pathOf(spool: Spool, callId: CallId): string {
  // The id may come from the network: it must not be able to name another file.
  if (!parseCallId(callId)) throw new TypeError(`${JSON.stringify(callId)} is not a call id`);
  return join(spool.reports, callId);
}
