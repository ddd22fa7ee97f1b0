import type { Answers, Happened } from '../../calls/flow/happened.js';
import type { Logger } from '../../log.js';
import type { CallNotes } from '../notes.js';

/** Writes down what happens in one call while it goes on. */
export interface Journal {
  /** A step is over. */
  happened(entry: Happened, answers: Answers): void;
  /** The call is over for the flow; resolves when all is committed. `failed`: it was not the flow's end. */
  end(failed: boolean): Promise<void>;
}

/**
 * Steps are written down one by one, in case that the call's end is never heard of; those that are over together go together, so
 * that a call of one step costs one write.
 */
export function createJournal(callId: string, notes: CallNotes, log: Logger): Journal {
  let steps: Happened[] = [];
  let answers: Answers | null = null;
  let heardSeconds: number | null = null;
  let key: string | null = null;
  let soon: NodeJS.Immediate | undefined;
  const written: Promise<unknown>[] = [];

  function write(last: { heardSeconds?: number | null; key?: string | null }): void {
    clearImmediate(soon);
    soon = undefined;
    const note = { callId, steps: steps.length > 0 ? steps : null, answers, ...last };
    steps = [];
    written.push(notes.write(note));
    written
      .at(-1)!
      .catch((error) => log.error({ call: callId, err: error }, 'cannot write down what was heard'));
  }

  return {
    happened(entry, all) {
      steps.push(entry);
      if (Object.keys(all).length > 0) answers = { ...all };
      if (entry.heard_seconds !== undefined) heardSeconds = (heardSeconds ?? 0) + entry.heard_seconds;
      const last = entry.pressed?.at(-1)?.key;
      // In a step that collects digits a star may stand for a secret one.
      if (last !== undefined) key = entry.type === 'collect' && last === '*' ? null : last;
      soon ??= setImmediate(() => write({}));
    },
    async end(failed) {
      // Not after the answer is written: when the callee hangs up, the report of that is on its way already.
      write({ heardSeconds: failed ? heardSeconds : (heardSeconds ?? 0), key });
      await Promise.all(written);
    },
  };
}
