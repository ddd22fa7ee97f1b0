import { type CallNote, noteCalls } from '../db/open-attempts.js';
import type { Pool } from '../db/pool.js';

/** Writes down what is heard of calls. */
export interface CallNotes {
  /** Resolves once it is committed: true when the call's attempt was open, false when the note was about none. */
  write(note: CallNote): Promise<boolean>;
}

interface Waiting {
  note: CallNote;
  resolve: (known: boolean) => void;
  reject: (error: unknown) => void;
}

/**
 * Notes that come while one write is under way go together with the next: a lone note is written at once, and a
 * hundred at a time cost one statement and one commit.
 */
export function createCallNotes(pool: Pool, node: string): CallNotes {
  let waiting: Waiting[] = [];
  let writing = false;

  async function writeAll(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const { batch, later } = oncePerCall(waiting);
      waiting = later;
      await writeBatch(batch);
    }
    writing = false;
  }

  async function writeBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const known = await noteCalls(
        pool,
        node,
        batch.map((w) => w.note),
      );
      for (const w of batch) w.resolve(known.has(w.note.callId));
    } catch (error) {
      // One that Postgres cannot store takes no other along.
      if (batch.length > 1 && isOfData(error)) for (const w of batch) await writeBatch([w]);
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
  };
}

/** Class 22 of Postgres' errors: data exception. */
const isOfData = (error: unknown) => String((error as { code?: unknown }).code).startsWith('22');

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
