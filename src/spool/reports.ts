import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CallId, parseCallId } from '../calls/call-id.js';
import { parseTransfer, type TransferTold } from '../calls/flow/transfer.js';
import { type HangupReport, parseReport } from '../calls/report.js';
import type { Spool } from './directories.js';

// `<spool>/campanile/reports/<milliseconds>.reports`: [campanile-report] of dialplan/campanile.conf appends a line to it for
// a call that was not answered, or when FastAGI did not take the report:
//
//   <call id>|hangup|HANGUPCAUSE|SIP status|DIALSTATUS|channel|hangup source|seconds in all|seconds talked
//
// and before that, when the call ended in a transfer and FastAGI was away,
//
//   <call id>|transfer|transfer id|kind|DIALSTATUS|QUEUESTATUS|ABANDONED|ANSWEREDTIME
//
// One file for many calls, because making and removing one for each costs a busy call a quarter of what Asterisk does for
// it. A call file names the file that its call reports in; from time to time, and at each start, a new one is begun, and
// the old one removed when the calls that may report in it have ended. Asterisk runs the hangup handler before it archives
// the call file, so the report of a direct call that is archived is there or never comes.

const FILE = /^\d{13}\.reports$/;
// At the end of a line: one that a crash cut short has the next call's line behind it.
const CALL = '([0-9a-f-]{36}\\.[0-9a-f-]{36})';
const LINE = new RegExp(`${CALL}\\|hangup\\|([^|]*(?:\\|[^|]*){6})$`);
const TRANSFER = new RegExp(`${CALL}\\|transfer\\|([^|]*(?:\\|[^|]*){5})$`);
const NEW_FILE_BYTES = 1 << 20;

/** What the hangup handler leaves in files. */
export interface Reports {
  /** The absolute path of the file that a call placed now reports in. */
  currentFile(): string;
  /** The reports that there are of these calls, the last of each. */
  find(callIds: readonly CallId[]): Map<CallId, HangupReport>;
  /** The transfers in which these calls ended, the last of each. */
  findTransfers(callIds: readonly CallId[]): Map<CallId, TransferTold>;
  /** These calls have ended. */
  forget(callIds: readonly CallId[]): void;
  /**
   * Begins a new file when the current one is large, and removes those that no call of `open` may report in: to be called
   * now and then, with every open call of this node. Returns how many it removed.
   */
  tidy(open: ReadonlySet<CallId>): number;
}

/** A file that no new call reports in; `awaits` are the calls that may, null until they have been listed. */
interface Retired {
  name: string;
  awaits: Set<CallId> | null;
}

/** Reads the reports of `spool`, those from before a restart as well. */
export function createReports(spool: Spool, options: { newFileBytes?: number } = {}): Reports {
  const { newFileBytes = NEW_FILE_BYTES } = options;
  const reports = new Map<CallId, HangupReport>();
  const transfers = new Map<CallId, TransferTold>();
  /** How much of each file has been read. */
  const offsets = new Map<string, number>();
  let retired: Retired[] = listFiles().map((name) => ({ name, awaits: null }));
  let current = newName();
  /** Reports of calls that were not open when `tidy` looked last. */
  let unwanted = new Set<CallId>();

  function listFiles(): string[] {
    return readdirSync(spool.reports).filter((name) => FILE.test(name));
  }

  function newName(): string {
    const taken = new Set(listFiles());
    let at = Date.now();
    while (taken.has(`${at}.reports`)) at += 1;
    return `${at}.reports`;
  }

  function read(name: string): void {
    const { from, text } = readFrom(join(spool.reports, name), offsets.get(name) ?? 0);
    const whole = text.lastIndexOf('\n') + 1;
    offsets.set(name, from + whole);
    for (const line of text.slice(0, whole).split('\n')) {
      const [, callId, values] = LINE.exec(line.trimEnd()) ?? [];
      if (callId && values && parseCallId(callId)) reports.set(callId, parseReport(values.split('|')));
      const [, transferred, told] = TRANSFER.exec(line.trimEnd()) ?? [];
      const transfer = told && parseTransfer(told.split('|'));
      if (transferred && transfer && parseCallId(transferred)) transfers.set(transferred, transfer);
    }
  }

  function readAll(): void {
    for (const { name } of retired) read(name);
    read(current);
  }

  function removeFinished(open: ReadonlySet<CallId>): number {
    const finished = retired.filter(
      ({ awaits }) => awaits && ![...awaits].some((callId) => open.has(callId)),
    );
    for (const { name } of finished) {
      rmSync(join(spool.reports, name), { force: true });
      offsets.delete(name);
    }
    retired = retired.filter((file) => !finished.includes(file));
    // The next round decides: a call that was being placed when this list was made is in that one.
    for (const file of retired) file.awaits ??= new Set(open);
    return finished.length;
  }

  return {
    currentFile: () => join(spool.reports, current),
    find(callIds) {
      readAll();
      return those(callIds, reports);
    },
    findTransfers(callIds) {
      readAll();
      return those(callIds, transfers);
    },
    forget(callIds) {
      for (const callId of callIds) {
        reports.delete(callId);
        transfers.delete(callId);
      }
    },
    tidy(open) {
      readAll();
      const removed = removeFinished(open);
      // What came back after it was removed: a call reported late.
      const known = new Set([current, ...retired.map(({ name }) => name)]);
      for (const name of listFiles()) if (!known.has(name)) retired.push({ name, awaits: null });
      if ((offsets.get(current) ?? 0) >= newFileBytes) {
        retired.push({ name: current, awaits: null });
        current = newName();
      }
      const notOpen = [...reports.keys(), ...transfers.keys()].filter((callId) => !open.has(callId));
      for (const callId of notOpen) {
        if (!unwanted.has(callId)) continue;
        reports.delete(callId);
        transfers.delete(callId);
      }
      unwanted = new Set(notOpen);
      return removed;
    },
  };
}

function those<T>(callIds: readonly CallId[], found: ReadonlyMap<CallId, T>): Map<CallId, T> {
  return new Map(
    callIds.flatMap((callId) => {
      const one = found.get(callId);
      return one ? [[callId, one] as const] : [];
    }),
  );
}

/** What is in a file behind `from`, byte by byte, or from its start when it is shorter: then it was made anew. */
function readFrom(path: string, from: number): { from: number; text: string } {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { from: 0, text: '' };
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    const start = size < from ? 0 : from;
    const buffer = Buffer.alloc(size - start);
    return {
      from: start,
      text: buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, start)),
    };
  } finally {
    closeSync(file);
  }
}
