import { setTimeout as sleep } from 'node:timers/promises';
import { isAway } from '../db/away.js';
import { type CallNote, noteCalls } from '../db/open-attempts.js';
import type { Db } from '../db/pool.js';

/** Writes down what is heard of calls. */
export interface CallNotes {
  /**
   * Resolves once it is committed: true when the call's attempt was open, false when the note was about none. Rejects when it
   * cannot be written now, so that nobody's call waits. While the database is away all but the report of a hangup, which the
   * dialplan keeps itself, is kept then and written once it is back.
   */
  write(note: CallNote): Promise<boolean>;
}

interface Waiting {
  note: CallNote;
  resolve: (known: boolean) => void;
  reject: (error: unknown) => void;
}

const AGAIN_MS = 200;

/**
 * Notes that come while one write is under way go together with the next: a lone note is written at once, and a
 * hundred at a time cost one statement and one commit.
 */
export function createCallNotes(
  db: Db,
  node: string,
): CallNotes & { /** Gives up what is kept. */ stop(): void } {
  let waiting: Waiting[] = [];
  let writing = false;
  let stopped = false;

  async function writeAll(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const { batch, later } = oncePerCall(waiting);
      waiting = later;
      try {
        await writeBatch(batch);
      } catch (error) {
        const all = [...batch, ...waiting];
        for (const w of all) w.reject(error);
        // In the order in which they came, which matters for those of one call.
        waiting = stopped ? [] : all.filter(({ note }) => !note.hangup);
        await sleep(AGAIN_MS, undefined, { ref: false });
      }
    }
    writing = false;
  }

  /** Throws when the database is away. */
  async function writeBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const known = await noteCalls(
        db,
        node,
        batch.map((w) => w.note),
      );
      for (const w of batch) w.resolve(known.has(w.note.callId));
    } catch (error) {
      if (isAway(error)) throw error;
      // One that Postgres cannot store takes no other along; and who holds one row while he waits for none is in no deadlock.
      if (batch.length > 1 && (isOfData(error) || isDeadlock(error)))
        for (const w of batch) await writeBatch([w]);
      else for (const w of batch) w.reject(error);
    }
  }

  return {
    write(note) {
      return new Promise((resolve, reject) => {
        waiting.push({ note, resolve, reject });
        if (!writing) void writeAll();
      });
    },
    stop() {
      stopped = true;
    },
  };
}

const codeOf = (error: unknown) => String((error as { code?: unknown }).code);
/** Class 22 of Postgres' errors: data exception. */
const isOfData = (error: unknown) => codeOf(error).startsWith('22');
/** With a turn that ends several of these calls at the same time. */
const isDeadlock = (error: unknown) => codeOf(error) === '40P01';

/** One statement can carry one note of a call: `UPDATE ... FROM` takes any one of several that match a row. */
function oncePerCall(waiting: Waiting[]): { batch: Waiting[]; later: Waiting[] } {
  const seen = new Set<string>();
  const batch: Waiting[] = [];
  const later: Waiting[] = [];
  for (const w of waiting) {
    if (seen.has(w.note.callId)) later.push(w);
    else {
      seen.add(w.note.callId);
      batch.push(w);
    }
  }
  return { batch, later };
}
