import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';
import { HangupError } from '../errors.js';
import type { CallNotes } from '../notes.js';
import type { AgiScript } from '../server.js';
import type { AgiSession } from '../session.js';
import type { Admission } from './admission.js';

const KEYS = '0123456789*#';

/** A sound file, without its extension, and its length. */
export interface Sound {
  path: string;
  seconds: number;
}

export interface AnsweredOptions {
  admission: Admission;
  notes: CallNotes;
  /** What a call that is open on this node plays; null when there is no such call. */
  soundOf(callId: string): Promise<Sound | null>;
  log: Logger;
}

/**
 * FastAGI `/answered`: plays the campaign's message to somebody who has just answered. What was heard and pressed is
 * committed before the session ends, and so before the call does, unless the callee ends it.
 */
export function answeredScript(options: AnsweredOptions): AgiScript {
  const { admission, notes, soundOf, log } = options;
  return async (session) => {
    const answeredAt = new Date();
    const callId = admission.callOf(session);
    if (!callId) return;
    const sound = await soundOf(callId);
    if (!sound) return admission.refuse(session, 'the call is not open on this node');
    // Whoever answered waits for the message and not for Postgres: the answer is written down while it plays.
    const noted = notes.write({ callId, answeredAt }).catch((error) => {
      log.error({ call: callId, err: error }, 'cannot write down an answer');
    });
    const heard = await play(session, sound);
    // Not after the first: when the callee hangs up, the report of that is on its way already.
    const written = notes.write({ callId, heardSeconds: heard.seconds, key: heard.key });
    await Promise.all([noted, written]);
  };
}

async function play(
  session: AgiSession,
  { path, seconds }: Sound,
): Promise<{ key: string | null; seconds: number }> {
  const started = performance.now();
  try {
    const { digit, playedMs } = await session.play(path, KEYS);
    return { key: digit, seconds: playedMs === null ? seconds : playedMs / 1000 };
  } catch (error) {
    if (error instanceof HangupError) {
      // Where Asterisk does not know it, as much as there was time for.
      const atMost = performance.now() - started;
      return { key: null, seconds: Math.min(error.playedMs ?? seconds * 1000, atMost) / 1000 };
    }
    throw new Error(`cannot play ${path}: ${messageOf(error)}`, { cause: error });
  }
}
