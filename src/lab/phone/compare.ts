/** What became of a sound in what was heard. */
export interface Comparison {
  /** `beginning`: heard from its beginning, but not to its end; `different`: not heard, or not for 20 ms. */
  is: 'whole' | 'beginning' | 'different';
  /** Where it begins in what was heard, in milliseconds. */
  atMs: number;
  /** How much of it was heard. */
  ms: number;
}

/** Sounds found one behind the other, and how much was heard that is none of them. */
export interface Sequence {
  sounds: Comparison[];
  /** Milliseconds of other audio; silence does not count. Bytes: all of them do. */
  otherMs: number;
}

const SAMPLES_PER_MS = 8;
// No two prompts begin with the same 50 ms, unless with silence.
const BEGINNING = 400;

/**
 * Which sounds the bytes received are, in this order with nothing between them: to be used where Asterisk sends a file's
 * own bytes, or what `codecOf` makes of its samples. Each may be cut short by the next.
 */
export function compareBytes(received: Uint8Array, ...expected: readonly Uint8Array[]): Sequence {
  const heard = Buffer.from(received.buffer, received.byteOffset, received.length);
  let at = 0;
  const sounds = expected.map((sound, i) => {
    const next = expected[i + 1]?.subarray(0, BEGINNING);
    const same = commonBytes(heard.subarray(at), sound);
    // The last place at which the next one can have begun: what it shares with this one is taken for this one's.
    const end = next ? lastBeginning(heard, next, at, at + same) : at + same;
    const comparison = judged(at, end - at, sound.length);
    at = end;
    return comparison;
  });
  return { sounds, otherMs: (heard.length - at) / SAMPLES_PER_MS };
}

function commonBytes(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}

function lastBeginning(heard: Buffer, sound: Uint8Array, from: number, to: number): number {
  for (let at = to; at >= from; at--) {
    const there = heard.subarray(at, at + sound.length);
    if (there.length > 0 && commonBytes(there, sound) === there.length) return at;
  }
  return to;
}

function judged(at: number, heard: number, length: number): Comparison {
  const is = heard === length ? 'whole' : heard >= WINDOW ? 'beginning' : 'different';
  return { is, atMs: at / SAMPLES_PER_MS, ms: heard / SAMPLES_PER_MS };
}

// Audio is compared in windows of a packet, so one that is missing shifts all that follow. Two windows are alike when their
// normalised correlation is at least 0.8. G.711 twice over has 0.999; G.722, whose filters delay by a part of a sample,
// 0.87 in the worst window of a hissing sound. Windows of unlike sounds have 0 with a standard deviation of
// 1 / sqrt(160) = 0.08; of voices at the same pitch one or another may have more, but not one after the other.
const WINDOW = 160;
const ALIKE = 0.8;
// A half and double the amplitude.
const GAIN = { least: 0.5, most: 2 };
// Root mean square, about -58 dBm0: what codecs make of silence.
const QUIET = 40;
// What a sound is looked for by: the first 100 ms that are not quiet. One that was cut before is not found.
const SAMPLE = 800;

/**
 * Which sounds are heard, in this order, each wherever it begins: 8 kHz, 16 bit. What codecs do to sounds does not
 * matter; a different sound, or a packet that is missing, does. Of a steady tone nothing tells that a whole
 * number of periods is missing but its length.
 */
export function compareAudio(received: Int16Array, ...expected: readonly Int16Array[]): Sequence {
  let from = 0;
  let otherMs = 0;
  const sounds = expected.map((sound) => {
    const found = findSound(received, sound, from);
    if (!found) return { is: 'different' as const, atMs: from / SAMPLES_PER_MS, ms: 0 };
    otherMs += loudMs(received.subarray(from, found.at));
    from = found.at + found.length;
    return judged(found.at, found.length, sound.length);
  });
  return { sounds, otherMs: otherMs + loudMs(received.subarray(from)) };
}

/** The place from `from` on at which most of the sound is heard, and how many samples of it. */
function findSound(
  received: Int16Array,
  sound: Int16Array,
  from: number,
): { at: number; length: number } | null {
  const lead = leadOf(sound);
  const sample = sound.subarray(lead, lead + SAMPLE);
  let best: { at: number; length: number } | null = null;
  for (const place of placesOf(sample, received, from + lead)) {
    const at = place - lead;
    const length = heardLength(received.subarray(at), sound);
    if (length > (best?.length ?? 0)) best = { at, length };
  }
  return best;
}

/** How many samples at the beginning of a sound are quiet. */
function leadOf(sound: Int16Array): number {
  const first = sound.findIndex((sample) => Math.abs(sample) > 4 * QUIET);
  return Math.max(0, first);
}

/** Where `sample` correlates with what was received more than shortly before and after. */
function placesOf(sample: Int16Array, received: Int16Array, from: number): number[] {
  const places: number[] = [];
  const scores: number[] = [0];
  for (let at = from; at + sample.length <= received.length; at++) {
    scores.push(correlation(received, at, sample, 0, sample.length));
    const [before = 0, here = 0, after = 0] = scores.slice(-3);
    if (here >= ALIKE && here >= before && here > after) places.push(at - 1);
  }
  if ((scores.at(-1) ?? 0) >= ALIKE) places.push(from + scores.length - 2);
  return places;
}

/** How many samples of the sound are heard from the beginning of `received` on, to a window. */
function heardLength(received: Int16Array, sound: Int16Array): number {
  const most = Math.min(received.length, sound.length);
  for (let at = 0; at < most; at += WINDOW) {
    if (!alike(received, sound, at, Math.min(WINDOW, most - at))) return at;
  }
  return most;
}

function alike(received: Int16Array, sound: Int16Array, at: number, length: number): boolean {
  const [heard, wanted] = [rms(received, at, length), rms(sound, at, length)];
  if (heard < QUIET && wanted < 2 * QUIET) return true;
  const gain = heard / wanted;
  if (gain < GAIN.least || gain > GAIN.most) return false;
  // Of fewer samples the correlation says little.
  return length < 40 || wanted < QUIET || correlation(received, at, sound, at, length) >= ALIKE;
}

function correlation(a: Int16Array, atA: number, b: Int16Array, atB: number, length: number): number {
  let product = 0;
  let powerA = 0;
  let powerB = 0;
  for (let i = 0; i < length; i++) {
    const x = a[atA + i]!;
    const y = b[atB + i]!;
    product += x * y;
    powerA += x * x;
    powerB += y * y;
  }
  return powerA === 0 || powerB === 0 ? 0 : product / Math.sqrt(powerA * powerB);
}

function rms(pcm: Int16Array, at: number, length: number): number {
  let power = 0;
  for (let i = at; i < at + length; i++) power += pcm[i]! * pcm[i]!;
  return Math.sqrt(power / Math.max(1, length));
}

/** Milliseconds that are not quiet. */
function loudMs(pcm: Int16Array): number {
  let loud = 0;
  for (let at = 0; at < pcm.length; at += WINDOW) {
    const length = Math.min(WINDOW, pcm.length - at);
    if (rms(pcm, at, length) >= 2 * QUIET) loud += length;
  }
  return loud / SAMPLES_PER_MS;
}
