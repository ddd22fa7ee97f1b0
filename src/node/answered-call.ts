import type { AnsweredCall } from '../agi/scripts/answered.js';
import { addOptOut } from '../db/opt-outs.js';
import type { Pool } from '../db/pool.js';
import type { Logger } from '../log.js';
import type { Sounds } from '../messages/sounds.js';
import type { OpenCall } from './open-calls.js';
import { retrying } from './retrying.js';

export interface AnsweredCallOptions {
  pool: Pool;
  sounds: Sounds;
  log: Logger;
}

/** What an answered call says, to whom, and what it may do beside. */
export function answeredCall(call: OpenCall, { pool, sounds, log }: AnsweredCallOptions): AnsweredCall {
  const { callId, number, ordinal, fields, content } = call;
  const tenantId = callId.slice(0, callId.indexOf('.'));
  return {
    flow: content.flow,
    fields,
    about: { number, attempt: String(ordinal) },
    soundOf(part) {
      if ('text' in part) throw new Error('cannot speak text yet');
      const sound = content.sounds.get(part.message)!;
      return { path: sounds.pathOf(sound.sha256), seconds: sound.seconds };
    },
    deeds: {
      // Whoever wants no more calls waits until that is safe, and a database that is away for a moment does not change it.
      optOut: () =>
        retrying(() => addOptOut(pool, tenantId, number), { call: callId, what: 'an opt-out', log }),
      ask: async () => null,
    },
  };
}
