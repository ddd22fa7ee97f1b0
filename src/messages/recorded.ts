import { renderWav } from './wav.js';

const HEADER_BYTES = 44;
const BYTES_PER_SECOND = 16_000;
/** 20 ms. */
const FRAME_SAMPLES = 160;

/** What Asterisk takes for silence, as a mean of samples (dsp.c, DEFAULT_THRESHOLD). */
const SILENCE = 256;
/** A click or a breath is no speech. */
const LEAST_FRAMES = 5;

/** What format_wav.c wrote. */
export interface Recorded {
  /** A WAV file of 8 kHz, mono, 16 bit. */
  file: Buffer;
  seconds: number;
  /** Whether anything louder than silence is in it, for a tenth of a second. */
  saysSomething: boolean;
}

/** Whether Asterisk has closed the file: only then it writes down how long it is. */
export function isWhole(bytes: Buffer): boolean {
  return bytes.length >= HEADER_BYTES && bytes.readUInt32LE(40) === bytes.length - HEADER_BYTES;
}

/** Reads a recording, also one that Asterisk died over: its header tells of no samples then. */
export function readRecorded(bytes: Buffer): Recorded {
  const whole = bytes.length - ((bytes.length - HEADER_BYTES) % 2);
  const samples = bytes.subarray(HEADER_BYTES, Math.max(whole, HEADER_BYTES));
  const seconds = samples.length / BYTES_PER_SECOND;
  return { file: renderWav(samples), seconds, saysSomething: loudFrames(samples) >= LEAST_FRAMES };
}

function loudFrames(samples: Buffer): number {
  let loud = 0;
  for (let at = 0; at + FRAME_SAMPLES * 2 <= samples.length; at += FRAME_SAMPLES * 2) {
    let sum = 0;
    for (let i = 0; i < FRAME_SAMPLES; i += 1) sum += Math.abs(samples.readInt16LE(at + i * 2));
    if (sum / FRAME_SAMPLES > SILENCE) loud += 1;
  }
  return loud;
}
