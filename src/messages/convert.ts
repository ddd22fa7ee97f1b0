import { open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { Converted } from '../db/messages.js';
import { CampanileError } from '../errors.js';
import { encode, RATE as MASTER_RATE } from './encode.js';
import { NoFfmpeg, run, UPLOADED } from './ffmpeg.js';
import { createClippingMeter, createSoundMeter, decibels, floats } from './meters.js';
import { createQueue } from './queue.js';
import { probeSource, type Source } from './source.js';
import { warningsOf } from './warnings.js';
import { parseWav, WAV_RATE, wavSamples } from './wav.js';

export const MOST_BYTES = 25 * 1024 * 1024;
export const MOST_SECONDS = 600;
const MOST_MS = 60_000;
/** A peak, full scale 1, that is more than noise. */
const AUDIBLE = 0.003;

/** Each takes a processor: they must not have all of a node's, whose calls go on meanwhile. */
const queue = createQueue({ atOnce: 2, waiting: 6 });

/**
 * Converts audio of any format that the installed ffmpeg reads, its bytes or the path of its file, to what Asterisk plays
 * without transcoding, at the level of src/messages/encode.ts. Without ffmpeg it takes a WAV file of 8 kHz, mono, 16 bit, and
 * leaves it as it is. Silence is a warning here: whether it is an error, the caller knows.
 *
 * Throws a CampanileError that says what to do: `audio_unusable` where it is no audio, or too long; `ffmpeg_missing`;
 * `conversions_busy` when too many are waiting.
 */
export function convertAudio(input: Buffer | string): Promise<Converted> {
  return queue(async () => {
    const bytes = typeof input === 'string' ? await readBounded(input) : input;
    if (bytes.length === 0) throw unusable('the audio is empty');
    const signal = AbortSignal.timeout(MOST_MS);
    try {
      return await convertWithFfmpeg(bytes, signal);
    } catch (error) {
      if (error instanceof NoFfmpeg) return convertPlainWav(bytes);
      if (!signal.aborted) throw error;
      throw unusable(`the audio could not be converted within ${MOST_MS / 1000} s`);
    }
  });
}

/** What `convertAudio` does without ffmpeg. */
export async function convertPlainWav(bytes: Buffer): Promise<Converted> {
  if (bytes.length === 0) throw unusable('the audio is empty');
  const { file, seconds } = readPlainWav(bytes);
  if (seconds > MOST_SECONDS) throw tooLong();
  const sound = createSoundMeter(WAV_RATE);
  const clipping = createClippingMeter(1);
  const samples = wavSamples(file);
  for (let at = 0; at < samples.length; at += WAV_RATE) {
    const piece = Float32Array.from(samples.subarray(at, at + WAV_RATE), (sample) => sample / 32_768);
    sound.push(piece);
    clipping.push(piece);
    // Calls are not to wait for it.
    await setImmediate();
  }
  const heard = sound.result();
  const { peak, share } = clipping.result();
  return {
    wav: file,
    ulaw: null,
    alaw: null,
    g722: null,
    seconds,
    sourceFormat: { container: 'wav', codec: 'pcm_s16le', rate: WAV_RATE, channels: 1 },
    peakDb: tenths(decibels(peak)),
    loudnessDb: tenths(heard.loudnessDb),
    warnings: warningsOf({ heard, clippedShare: share, claimedSeconds: null, levelledDb: heard.loudnessDb }),
  };
}

async function convertWithFfmpeg(bytes: Buffer, signal: AbortSignal): Promise<Converted> {
  const source = await probeSource(bytes, signal);
  // What a file says may be an estimate: less than twice the limit is looked at.
  if ((source.claimedSeconds ?? 0) > 2 * MOST_SECONDS) throw tooLong();
  const { master, heard, peak, clippedShare } = await decodeAudible(bytes, source, signal);
  if (heard.seconds === 0) throw unusable('the file holds no sound');
  if (heard.seconds > MOST_SECONDS) throw tooLong();
  const { files, levelledDb } = await encode(master, heard, signal);
  return {
    ...files,
    seconds: files.ulaw.length / 8000,
    sourceFormat: source.format,
    peakDb: tenths(decibels(peak)),
    loudnessDb: tenths(heard.loudnessDb),
    warnings: warningsOf({ heard, clippedShare, claimedSeconds: source.claimedSeconds, levelledDb }),
  };
}

/** Of two channels that are each other's opposite nothing is left when they are mixed: then the first is taken alone. */
async function decodeAudible(bytes: Buffer, source: Source, signal: AbortSignal) {
  const mixed = await decode(bytes, source, 'anull', signal);
  if (!mixed.heard.silent || mixed.peak < AUDIBLE || source.format.channels === 1) return mixed;
  return decode(bytes, source, 'pan=mono|c0=c0', signal);
}

/**
 * Decodes an upload: to the master of 16 kHz, one channel after `mix`, 32-bit floats, without what is below the voice; and at
 * its own rate and channels past the meter of clipping.
 */
async function decode(bytes: Buffer, { format }: Source, mix: string, signal: AbortSignal) {
  const master: Buffer[] = [];
  const sound = createSoundMeter(MASTER_RATE);
  const clipping = createClippingMeter(format.channels);
  const measure = floats(sound.push);
  const atMost = ['-t', String(MOST_SECONDS + 1)];
  // Mixed as integers, for then ffmpeg scales a mix to the level of its channels; floats it would let become louder.
  const mixed = `${mix},aformat=sample_fmts=s32:channel_layouts=mono,aformat=sample_fmts=flt`;
  const mono = `${mixed},highpass=f=80,aresample=${MASTER_RATE}`;
  await run({
    program: 'ffmpeg',
    args: [
      ...['-nostdin', '-vn', '-sn', '-dn', ...UPLOADED],
      ...['-filter_complex', `[0:a:0]asplit=2[whole][voice];[voice]${mono}[mono]`],
      ...['-map', '[mono]', ...atMost, '-fs', String((MOST_SECONDS + 1) * MASTER_RATE * 4)],
      ...['-f', 'f32le', 'pipe:1'],
      ...['-map', '[whole]', ...atMost, '-f', 'f32le', 'pipe:3'],
    ],
    input: [bytes],
    outputs: [
      (chunk) => {
        master.push(chunk);
        measure(chunk);
      },
      floats(clipping.push),
    ],
    signal,
  });
  const { peak, share } = clipping.result();
  return { master, heard: sound.result(), peak, clippedShare: share };
}

function readPlainWav(bytes: Buffer) {
  try {
    return parseWav(bytes);
  } catch (cause) {
    if (!(cause instanceof CampanileError)) throw cause;
    throw new CampanileError(
      'ffmpeg_missing',
      `${cause.message}; other audio can be taken once the operator has run: apt-get install ffmpeg`,
      { cause },
    );
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > MOST_BYTES) throw unusable(`the audio is larger than ${MOST_BYTES} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function tenths(value: number | null): number | null {
  return value === null ? null : Math.round(value * 10) / 10;
}

function tooLong(): CampanileError {
  return unusable(`the audio is longer than ${MOST_SECONDS / 60} minutes: shorten it`);
}

function unusable(message: string): CampanileError {
  return new CampanileError('audio_unusable', message);
}
