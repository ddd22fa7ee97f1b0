import { type SayPart, sayingOrSpelt } from '../../calls/flow/say.js';
import type { Key, Part } from '../../calls/flow/schema.js';
import { fillText, type Values } from '../../calls/flow/text.js';
import type { Place } from '../../calls/flow/text-format.js';
import { ALL_KEYS, FlowOver, type Phone, type Said } from '../../calls/flow/way.js';
import { messageOf } from '../../errors.js';
import { HangupError } from '../errors.js';
import type { AgiSession } from '../session.js';
import { type Recordings, record } from './record.js';
import { say } from './say.js';
import { type Transfers, transfer } from './transfer.js';

/** A sound file, without its extension, and its length; null when that is not known. */
export interface Sound {
  path: string;
  seconds: number | null;
}

/** What a part of a prompt sounds like; null of one that is silent. Throws when there is no such sound. */
export type SoundOf = (part: Exclude<Part, { say: string }>, values: Values) => Sound | null;

/** What the telephone of one call has at hand. */
export interface PhoneOptions {
  soundOf: SoundOf;
  recordings: Recordings;
  transfers: Transfers;
}

/**
 * The telephone of a flow, as an AGI session: its `say` throws when a sound cannot be played. `place` has the flow's language and
 * where the callee is. The PBX's clock runs `speed` times as fast as ours.
 */
export function createPhone(
  session: AgiSession,
  { soundOf, recordings, transfers }: PhoneOptions,
  place: Place,
  speed = 1,
): Phone {
  return {
    async say(prompt, values, keys, heard) {
      let heardSeconds = 0;
      for (const part of prompt) {
        const said =
          'say' in part
            ? await sayPart(session, part, values, place, keys, speed)
            : await play(session, soundOf(part, values), keys, heard, speed);
        heardSeconds += said.heardSeconds;
        if (said.hungUp || said.key !== null) return { ...said, heardSeconds };
      }
      return { key: null, heardSeconds, hungUp: false };
    },
    async key(seconds) {
      return untilHangup(async () => (await session.waitForDigit(Math.round(seconds * 1000))) as Key | null);
    },
    record: (step, name) => record(session, step, name, recordings),
    transfer: (step, name) => transfer(session, step, name, transfers),
  };
}

const NOTHING: Said = { key: null, heardSeconds: 0, hungUp: false };

/** Has Asterisk say a value; what was heard of it is what there was time for. */
async function sayPart(
  session: AgiSession,
  part: SayPart,
  values: Values,
  place: Place,
  keys: readonly Key[],
  speed: number,
): Promise<Said> {
  const language = part.language ?? place.language;
  const value = fillText(part.value, values, { ...place, language, missing: '' });
  const saying = sayingOrSpelt(part, value, language, place.timeZone);
  if (!saying) return NOTHING;
  const started = performance.now();
  const heardSeconds = () => ((performance.now() - started) * speed) / 1000;
  try {
    const key = (await say(session, saying, language, keys.join(''))) as Key | null;
    return { key, heardSeconds: heardSeconds(), hungUp: false };
  } catch (error) {
    if (error instanceof HangupError) return { key: null, heardSeconds: heardSeconds(), hungUp: true };
    const todo = 'are its prompts there? (Debian: asterisk-core-sounds-en, -es, -fr, -it, -ru)';
    throw new Error(`cannot say ${saying.as} in ${language}: ${messageOf(error)}; ${todo}`, { cause: error });
  }
}

async function untilHangup<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof HangupError ? new FlowOver() : error;
  }
}

/** Plays a sound until one of `keys`; where another key broke it off, it goes on. */
async function play(
  session: AgiSession,
  sound: Sound | null,
  keys: readonly Key[],
  heard: (key: Key) => void,
  speed: number,
): Promise<Said> {
  if (!sound) return NOTHING;
  const { path, seconds } = sound;
  let fromMs = 0;
  let heardMs = 0;
  for (;;) {
    const started = performance.now();
    const playedSoFar = () => heardMs + (performance.now() - started) * speed;
    try {
      const { digit, playedMs } = await session.play(path, ALL_KEYS.join(''), { fromMs });
      if (digit === null) return { key: null, heardSeconds: seconds ?? playedSoFar() / 1000, hungUp: false };
      heardMs = Math.max(0, Math.min(heardOf(playedMs, playedSoFar()), atMostMs(seconds)));
      const key = digit as Key;
      if (keys.includes(key)) return { key, heardSeconds: heardMs / 1000, hungUp: false };
      heard(key);
      // As Asterisk counts: where it told twice the time it takes twice the time.
      fromMs = Math.round(playedMs ?? heardMs);
    } catch (error) {
      if (!(error instanceof HangupError))
        throw new Error(`cannot play ${path}: ${messageOf(error)}`, { cause: error });
      // Where Asterisk does not know it, as much as there was time for.
      const atMost = playedSoFar();
      const playedMs = error.playedMs ?? (seconds === null ? atMost : seconds * 1000);
      return { key: null, heardSeconds: Math.min(playedMs, atMost) / 1000, hungUp: true };
    }
  }
}

/** Nobody hears more of a sound than there is. */
const atMostMs = (seconds: number | null) => (seconds === null ? Number.POSITIVE_INFINITY : seconds * 1000);

const CLOSE_MS = 100;

/**
 * How much of a sound was played, in milliseconds: what Asterisk says, which of a G.722 file is twice the time (measured on 16 and
 * 22), and then by our clock as well.
 */
function heardOf(playedMs: number | null, elapsedMs: number): number {
  if (playedMs === null) return elapsedMs;
  const isTwice = playedMs > elapsedMs + CLOSE_MS && Math.abs(playedMs / 2 - elapsedMs) <= CLOSE_MS;
  return isTwice ? playedMs / 2 : playedMs;
}
