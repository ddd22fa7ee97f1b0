import { run } from './ffmpeg.js';
import { createLoudnessMeter } from './loudness.js';
import { decibels, integers } from './meters.js';
import type { SoundFormat } from './sound-files.js';
import { renderWav, WAV_RATE } from './wav.js';

/** Of the master, in samples per second: all that G.722 has. */
export const RATE = 16_000;

/**
 * Speech at -22 LUFS has a mean power of about -16 dBm0 in G.711 (full scale is +3.14 dBm0), about what ITU-T G.223
 * counts with for a telephone channel (-15 dBm0).
 */
const TARGET_LUFS = -22;
/** Of samples at 16 kHz. What lies between them, and the other rate, come out over it by less than the rest to full scale. */
const MOST_PEAK_DB = -2.5;
/** Peaks above that are limited, by no more than this: what would need more stays quieter. */
const MOST_LIMITING_DB = 8;
/** More would play the noise of a room. */
const MOST_GAIN_DB = 24;

const ATTACK_MS = 5;
/** A packet's worth, 20 ms: of less the resampler may leave nothing. */
const LEAST_SAMPLES = 320;

/**
 * Levels a master (32-bit floats, little endian, of `rate` samples per second) of which `heard` was measured, and encodes it.
 * `levelledDb` is the loudness of the result in LUFS; null where nothing is to be heard.
 */
export async function encode(
  master: readonly Buffer[],
  heard: { peak: number; loudnessDb: number | null },
  signal: AbortSignal,
  rate = RATE,
): Promise<{ files: Record<SoundFormat, Buffer>; levelledDb: number | null }> {
  const gain = gainOf(heard);
  const loudness = createLoudnessMeter(WAV_RATE);
  const measure = integers(loudness.push);
  const collected: Buffer[][] = [[], [], [], []];
  const raw = (label: string, format: string, to: string) => ['-map', `[${label}]`, '-f', format, to];
  await run({
    program: 'ffmpeg',
    args: [
      ...['-nostdin', '-protocol_whitelist', 'pipe', '-f', 'f32le', '-ar', String(rate), '-ac', '1'],
      ...['-i', 'pipe:0', '-filter_complex'],
      [
        `[0:a]aresample=${RATE},${levelling(gain, heard.peak)},apad=whole_len=${LEAST_SAMPLES},asplit=2[wide][voice]`,
        `[voice]aresample=${WAV_RATE},aformat=sample_fmts=s16,asplit=3[linear][mu][a]`,
      ].join(';'),
      ...raw('linear', 's16le', 'pipe:1'),
      ...raw('mu', 'mulaw', 'pipe:3'),
      ...raw('a', 'alaw', 'pipe:4'),
      ...raw('wide', 'g722', 'pipe:5'),
    ],
    input: master,
    outputs: collected.map((chunks, i) => (chunk: Buffer) => {
      chunks.push(chunk);
      if (i === 0) measure(chunk);
    }),
    signal,
  });
  const [linear, ulaw, alaw, g722] = collected.map((chunks) => Buffer.concat(chunks));
  const files = { wav: renderWav(linear!), ulaw: ulaw!, alaw: alaw!, g722: g722! };
  return { files, levelledDb: loudness.result() };
}

/** By how many dB sound is made louder, or softer where negative. */
function gainOf({ peak, loudnessDb }: { peak: number; loudnessDb: number | null }): number {
  if (loudnessDb === null) return 0;
  const room = MOST_PEAK_DB + MOST_LIMITING_DB - (decibels(peak) ?? 0);
  return Math.min(TARGET_LUFS - loudnessDb, room, MOST_GAIN_DB);
}

function levelling(gain: number, peak: number): string {
  const louder = `volume=${gain.toFixed(3)}dB:precision=double`;
  if ((decibels(peak) ?? -Infinity) + gain <= MOST_PEAK_DB) return louder;
  const limit = 10 ** (MOST_PEAK_DB / 20);
  // It looks ahead: what comes out is late by the attack.
  const late = (RATE * ATTACK_MS) / 1000;
  const limiter = `alimiter=limit=${limit.toFixed(4)}:attack=${ATTACK_MS}:release=50:level=disabled`;
  return `${louder},apad=pad_len=${late},${limiter},atrim=start_sample=${late}`;
}
