import type { Answers, Happened } from '../../calls/flow/happened.js';
import { HIDDEN_KEY } from '../../calls/flow/way.js';
import type { MachineVerdict } from '../../calls/machine.js';
import type { CallNote } from '../../db/open-attempts.js';
import type { Logger } from '../../log.js';
import type { CallNotes } from '../notes.js';

/** Writes down what happens in one call while it goes on. */
export interface Journal {
  /** Who answered, or more about that: written at once, since it decides what the call ends as. */
  machine(verdict: Partial<MachineVerdict>): void;
  /** A step is over. */
  happened(entry: Happened, answers: Answers): void;
  /** The call is over for the flow; resolves when all is committed. `failed`: it was not the flow's end. */
  end(failed: boolean): Promise<void>;
}

/**
 * Steps are written down one by one, in case that the call's end is never heard of; those that are over together go together, so
 * that a call of one step costs one write. `log` is the call's.
 */
export function createJournal(callId: string, notes: CallNotes, log: Logger): Journal {
  let steps: Happened[] = [];
  let answers: Answers | null = null;
  let heardSeconds: number | null = null;
  let key: string | null = null;
  let soon: NodeJS.Immediate | undefined;
  const written: Promise<unknown>[] = [];

  function write(more: Omit<CallNote, 'callId' | 'steps' | 'answers'>): void {
    clearImmediate(soon);
    soon = undefined;
    const note = { callId, steps: steps.length > 0 ? steps : null, answers, ...more };
    steps = [];
    written.push(notes.write(note));
    written.at(-1)!.catch((error) => log.error({ err: error }, 'cannot write down what was heard'));
  }

  return {
    machine(verdict) {
      log.debug(verdict, 'machine or person');
      write({ machine: verdict });
    },
    happened(entry, all) {
      log.debug(logNamesOfStep(entry), 'flow step over');
      steps.push(entry);
      if (Object.keys(all).length > 0) answers = { ...all };
      if (entry.heard_seconds !== undefined) heardSeconds = (heardSeconds ?? 0) + entry.heard_seconds;
      key = entry.pressed?.findLast((pressed) => pressed.key !== HIDDEN_KEY)?.key ?? key;
      soon ??= setImmediate(() => write({}));
    },
    async end(failed) {
      // Not after the answer is written: when the callee hangs up, the report of that is on its way already.
      write({ heardSeconds: failed ? heardSeconds : (heardSeconds ?? 0), key });
      await Promise.all(written);
    },
  };
}

/** Nothing that was pressed, said or answered; what a branch compared is the contact's. */
function logNamesOfStep({ step, type, outcome, heard_seconds, recorded_seconds, talked_seconds }: Happened) {
  return {
    step,
    type,
    ...(type === 'branch' ? {} : { outcome }),
    heard_seconds,
    recorded_seconds,
    talked_seconds,
  };
}
