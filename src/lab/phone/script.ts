/**
 * What a phone does with a call, as data: it goes through process boundaries and may stand in a file.
 *
 * It rings for `ringMs`, answers, and takes the steps in order, each when the one before is over. After the last one it stays
 * until the caller hangs up.
 */
export interface Script {
  /** The number called, in which each * stands for any digits. */
  number: string;
  /** Milliseconds of ringing before the answer; 0 unless given. */
  ringMs?: number;
  /** false: rings until the caller gives up. */
  answer?: boolean;
  /** A final response instead of the answer: 486. */
  status?: number;
  steps?: readonly Step[];
}

/**
 * - `wait`: milliseconds.
 * - `untilAudio`: until a prompt begins; one that did since the last key was pressed, or since the last `untilAudio` or
 *   `untilSilence`, will do.
 * - `untilSilence`: until there was audio and then none for so many milliseconds.
 * - `press`: keys by RFC 4733, each held for `holdMs` (100), `gapMs` (100) between them.
 * - `say`: a sound, to its end. `silence`: milliseconds of packets of silence, where a `wait` sends none.
 * - `hangUp`: BYE.
 */
export type Step =
  | { wait: number }
  | { untilAudio: true }
  | { untilSilence: number }
  | { press: string; holdMs?: number; gapMs?: number }
  | { say: Sound }
  | { silence: number }
  | { hangUp: true };

/** A WAV file (8 kHz, mono, 16 bit), a sine of so many hertz and milliseconds, or one of the recordings in `speech/`. */
export type Sound = { file: string } | { tone: number; ms: number } | { speech: 'person' | 'machine' };

/** A person who answers, says hello and listens. */
export const PERSON: readonly Step[] = [{ wait: 300 }, { say: { speech: 'person' } }];

/** A machine that answers: its greeting, a beep of 1 kHz, and then it records. */
export const MACHINE: readonly Step[] = [
  { wait: 300 },
  { say: { speech: 'machine' } },
  { silence: 300 },
  { say: { tone: 1000, ms: 400 } },
];

/** The script for a number: the first that fits; answers at once and listens where none does. */
export function scriptFor(scripts: readonly Script[], number: string): Script {
  const fits = ({ number: pattern }: Script) =>
    new RegExp(`^${pattern.split('*').map(literally).join('.*')}$`).test(number);
  return scripts.find(fits) ?? { number };
}

function literally(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
}
