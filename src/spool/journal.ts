import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type CallId, parseCallId } from '../calls/call-id.js';
import { DISPOSITIONS, type Disposition } from '../calls/states.js';
import type { Spool } from './directories.js';

// `<spool>/campanile/journal/<milliseconds>.journal`: what this node did, in the order of its commits. It is the only memory
// of calls that outlives the database, for the day on which that is restored from a copy: whom the copy takes for not called
// yet must not be called again (src/node/write-back.ts).
//
//   claimed <call id> <contact id> <trunk id> <PBX trunk> <at>  after that is committed, before the file is renamed into outgoing/
//   released <call id>                                          before the claim is undone: nobody was called
//   ended <call id> <disposition> <at>                          after that is committed
//
// Each `at` is in milliseconds since 1970: of a claim just after, of an ending just before the database did it, so that no
// contact seems to have been tried again sooner than it was.
//
// No number and no name: who is erased from the database is not found here. Lines go to the page cache and are not synced:
// what they guard against is a lost database, not a power failure.

const FILE = /^(\d{13})\.journal$/;
const NEW_FILE_BYTES = 16 << 20;
const NEW_FILE_MS = 86_400_000;
/** Copies of the database are seldom older; a call takes about 230 bytes. */
const KEPT_MS = 8 * 86_400_000;
const CHUNK = 1000;

export interface ClaimedEntry {
  callId: CallId;
  contactId: string;
  trunkId: string;
  pbxTrunk: string;
}

export type JournalEntry =
  | ({ did: 'claimed'; at: Date } & ClaimedEntry)
  | { did: 'released'; callId: CallId }
  | { did: 'ended'; callId: CallId; disposition: Disposition; at: Date };

/** Each of the first three throws when it cannot be written down, and then nothing is. */
export interface Journal {
  claimed(calls: readonly ClaimedEntry[]): void;
  released(callIds: readonly CallId[]): void;
  ended(calls: readonly { callId: CallId; disposition: Disposition }[], at: Date): void;
  /** What was written down, a thousand entries at a time: the last thousand first, each thousand in its order. */
  readBack(): Generator<JournalEntry[]>;
  /** Begins a new file now and then, and removes those that are too old. Returns how many it removed. */
  tidy(): number;
}

/** The journal of `spool`, that of before a restart as well; each process writes files of its own. */
export function createJournal(spool: Spool, now: () => number = Date.now): Journal {
  let current = newName();
  let written = 0;

  /** Oldest first. */
  function listFiles(): string[] {
    return readdirSync(spool.journal)
      .filter((name) => FILE.test(name))
      .toSorted();
  }

  /** Sorts behind all that there are, also when the clock was set back. */
  function newName(): string {
    const last = Number(FILE.exec(listFiles().at(-1) ?? '')?.[1] ?? 0);
    return `${Math.max(now(), last + 1)}.journal`;
  }

  /** All of the lines, or none and it throws. */
  function append(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const path = join(spool.journal, current);
    const text = lines.map((line) => `${line}\n`).join('');
    try {
      appendFileSync(path, text, { mode: 0o640 });
      written += text.length;
    } catch (error) {
      takeAway(path);
      throw error;
    }
  }

  /** What a disk that is full took of the lines. */
  function takeAway(path: string): void {
    try {
      truncateSync(path, written);
    } catch {
      // The next lines must not go on behind half a line.
      current = newName();
      written = 0;
    }
  }

  return {
    claimed(calls) {
      const at = now();
      append(calls.map((c) => `claimed ${c.callId} ${c.contactId} ${c.trunkId} ${c.pbxTrunk} ${at}`));
    },
    released(callIds) {
      append(callIds.map((callId) => `released ${callId}`));
    },
    ended(calls, at) {
      append(calls.map(({ callId, disposition }) => `ended ${callId} ${disposition} ${at.getTime()}`));
    },
    *readBack() {
      for (const name of listFiles().toReversed()) {
        const lines = readFileSync(join(spool.journal, name), 'latin1').split('\n');
        const entries = lines.flatMap((line) => parseEntry(line) ?? []);
        for (let end = entries.length; end > 0; end -= CHUNK)
          yield entries.slice(Math.max(0, end - CHUNK), end);
      }
    },
    tidy() {
      const since = Number(FILE.exec(current)![1]);
      if (written >= NEW_FILE_BYTES || now() - since >= NEW_FILE_MS) {
        current = newName();
        written = 0;
      }
      const files = listFiles();
      // A file was last written when the next was begun.
      const old = files.filter((_, i) => i + 1 < files.length && beganAt(files[i + 1]!) < now() - KEPT_MS);
      for (const name of old) rmSync(join(spool.journal, name), { force: true });
      return old.length;
    },
  };
}

function beganAt(name: string): number {
  return Number(FILE.exec(name)![1]);
}

/** Null for what is no whole entry: the last line before a crash may be half of one. */
function parseEntry(line: string): JournalEntry | null {
  const [did, callId = '', ...rest] = line.split(' ');
  if (!parseCallId(callId)) return null;
  if (did === 'released' && rest.length === 0) return { did, callId };
  if (did === 'ended' && rest.length === 2 && isTime(rest[1])) {
    const disposition = DISPOSITIONS.find((one) => one === rest[0]);
    return disposition ? { did, callId, disposition, at: new Date(Number(rest[1])) } : null;
  }
  const [contactId, trunkId, pbxTrunk, at] = rest;
  if (did !== 'claimed' || !isUuid(contactId) || !isUuid(trunkId) || !pbxTrunk || rest.length !== 4)
    return null;
  return isTime(at) ? { did, callId, contactId, trunkId, pbxTrunk, at: new Date(Number(at)) } : null;
}

function isTime(text: string | undefined): text is string {
  return /^\d{13}$/.test(text ?? '');
}

function isUuid(text: string | undefined): text is string {
  return text !== undefined && parseCallId(`${text}.${text}`) !== null;
}
