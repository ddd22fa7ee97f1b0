import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';
import { HangupError } from '../errors.js';
import type { CallNotes } from '../notes.js';
import type { AgiScript } from '../server.js';
import type { AgiSession } from '../session.js';
import type { Admission } from './admission.js';

/** Samples a second of what campaigns play: `endpos` counts in them. */
const SAMPLE_RATE = 8000;
const KEYS = '0123456789*#';

export interface AnsweredOptions {
  admission: Admission;
  notes: CallNotes;
  /** The sound file of a call that is open on this node, without extension; null when there is no such call. */
  soundOf(callId: string): Promise<string | null>;
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
    const written = notes.write({ callId, heardSeconds: heard.endpos / SAMPLE_RATE, key: heard.digit });
    await Promise.all([noted, written]);
  };
}

async function play(session: AgiSession, sound: string): Promise<{ digit: string | null; endpos: number }> {
  const started = performance.now();
  try {
    return await session.streamFile(sound, KEYS);
  } catch (error) {
    if (error instanceof HangupError) {
      // When the call ends while a frame is being written, Asterisk gives the length of the whole file.
      const atMost = Math.round(((performance.now() - started) / 1000) * SAMPLE_RATE);
      return { digit: null, endpos: Math.min(error.endpos ?? 0, atMost) };
    }
    throw new Error(`cannot play ${sound}: ${messageOf(error)}`, { cause: error });
  }
}
