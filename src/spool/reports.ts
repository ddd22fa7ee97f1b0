import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type CallId, parseCallId } from '../calls/call-id.js';
import { type HangupReport, parseReport } from '../calls/report.js';
import type { Spool } from './directories.js';
import { readIfThere, remove } from './writer.js';

// `<spool>/campanile/reports/<call id>`, written by [campanile-report] of dialplan/campanile.conf of a call that was
// not answered, or when FastAGI did not take the report. Lines of
//
//   hangup|HANGUPCAUSE|SIP status|DIALSTATUS|channel|hangup source|seconds in all|seconds talked
//
// Asterisk appends; the last whole line counts. It runs the hangup handler before it archives the call file, so the
// report of an archived call is there or never comes.

const FIELDS = 8;

/** What the hangup handler left of a call in a file, or null when there is no such file or nothing whole in it. */
export function readReport(spool: Spool, callId: CallId): HangupReport | null {
  const line = readIfThere(pathOf(spool, callId))
    ?.split('\n')
    .map((row) => row.trim().split('|'))
    .findLast(([first, ...values]) => first === 'hangup' && values.length === FIELDS - 1);
  return line ? parseReport(line.slice(1)) : null;
}

/** The reports that there are of these calls. */
export function readReports(spool: Spool, callIds: readonly CallId[]): Map<CallId, HangupReport> {
  return new Map(
    callIds.flatMap((callId) => {
      // Most answered calls have none, and an error costs more than a look.
      const report = existsSync(pathOf(spool, callId)) ? readReport(spool, callId) : null;
      return report ? [[callId, report] as const] : [];
    }),
  );
}

/** Removes reports; those that are not there are no error. */
export function removeReports(spool: Spool, callIds: readonly CallId[]): void {
  for (const callId of callIds) remove(pathOf(spool, callId));
}

function pathOf(spool: Spool, callId: CallId): string {
  // The id may come from the network: it must not be able to name another file.
  if (!parseCallId(callId)) throw new TypeError(`${JSON.stringify(callId)} is not a call id`);
  return join(spool.reports, callId);
}
