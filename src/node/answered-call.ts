import type { Sound } from '../agi/flow/phone.js';
import type { AnsweredCall } from '../agi/scripts/answered.js';
import { spokenOf, type TextMessage, textOf } from '../calls/flow/spoken.js';
import { addOptOut } from '../db/opt-outs.js';
import type { Pool } from '../db/pool.js';
import type { Asker } from '../events/webhooks/ask.js';
import type { Logger } from '../log.js';
import type { Sounds } from '../messages/sounds.js';
import type { Speech } from '../messages/speech/speech.js';
import type { SecretSeal } from '../seal.js';
import { askServer } from './ask-server.js';
import { type AnswerableCall, tenantOf } from './open-calls.js';
import type { CallRecordings } from './recordings.js';
import { retrying } from './retrying.js';
import type { CallTransfers } from './transfers.js';

export interface AnsweredCallOptions {
  pool: Pool;
  sounds: Sounds;
  speech: Pick<Speech, 'ready'>;
  recordings: CallRecordings;
  transfers: CallTransfers;
  asker: Asker;
  secrets: SecretSeal;
  log: Logger;
}

/** What an answered call says, to whom, and what it may do beside; `log` is of this call. */
export function answeredCall(call: AnswerableCall, options: AnsweredCallOptions): AnsweredCall {
  const { pool, sounds, speech, recordings, transfers, log } = options;
  const { callId, number, ordinal, fields, timeZone, content } = call;
  const tenantId = tenantOf(callId);
  return {
    log,
    flow: content.flow,
    machine: content.machine,
    fields,
    timeZone,
    about: { number, attempt: String(ordinal) },
    soundOf(part) {
      const text = textOf(part, content.flow.language, (id) => content.texts.get(id) ?? null);
      if (text) return soundOfText(text, call, speech);
      const sound = content.sounds.get((part as { message: string }).message)!;
      return { path: sounds.pathOf(sound.sha256), seconds: sound.seconds };
    },
    recordings: recordings.of(callId),
    transfers: transfers.of(callId, number),
    deeds: {
      // Whoever wants no more calls waits until that is safe, and a database that is away for a moment does not change it.
      async optOut() {
        await retrying(() => addOptOut(pool, tenantId, number), { what: 'an opt-out', log });
        log.info('callee opted out');
      },
      ask: (step, _values, answers, failed) => askServer(call, step, answers, failed, options),
    },
  };
}

/** The sound that was made of a text before the call was placed. */
function soundOfText(text: TextMessage, call: AnswerableCall, speech: Pick<Speech, 'ready'>): Sound | null {
  const spoken = spokenOf(text, call.fields, call.timeZone);
  if (spoken === null) return null;
  const sounds = speech.ready(tenantOf(call.callId), [spoken]);
  if (!sounds) throw new Error('a text of the call is not on this node any more');
  return sounds[0]!;
}
