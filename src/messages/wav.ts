import { CampanileError } from '../errors.js';

// RIFF: "RIFF" size32 "WAVE", then chunks of id4 size32 data, each padded to an even length; little endian.
// fmt : tag16 channels16 rate32 bytesPerSecond32 blockAlign16 bits16, and more when the tag is WAVE_FORMAT_EXTENSIBLE,
//       whose real tag is the first field of a GUID at byte 24 (Multiple Channel Audio Data and WAVE Files, Microsoft).
const PCM = 1;
const EXTENSIBLE = 0xfffe;
const PCM_GUID = '0100000000001000800000aa00389b71';

/** Samples per second. */
export const WAV_RATE = 8000;
const HEADER_BYTES = 44;

const CURE = 'convert it with: sox in.wav -r 8000 -c 1 -b 16 out.wav';

/** Audio that Asterisk plays as it is: a WAV file of 8 kHz, mono, 16 bit PCM. */
export interface Wav {
  /** The whole file: a 44-byte header and the samples, whatever other chunks came with them. */
  file: Buffer;
  seconds: number;
}

/**
 * Reads a WAV file and returns it in the one form that Asterisk reads, which wants `fmt ` first and takes no other
 * chunk before it. Throws a CampanileError (`audio_unusable`, 422) that says what is wrong and how to convert it.
 */
export function parseWav(bytes: Buffer): Wav {
  if (bytes.length === 0) throw unusable('the audio is empty');
  if (!isWav(bytes)) throw unusable('the audio is not a WAV file');
  const { format, samples } = findChunks(bytes);
  checkFormat(format);
  if (samples.length === 0) throw unusable('the WAV file holds no sound');
  if (samples.length % 2 !== 0) throw unusable('the WAV file ends within a sample');
  return { file: renderWav(samples), seconds: samples.length / (WAV_RATE * 2) };
}

/** A WAV file of 8 kHz, mono, 16 bit PCM around `samples`. */
export function renderWav(samples: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(HEADER_BYTES - 8 + samples.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(PCM, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(WAV_RATE, 24);
  header.writeUInt32LE(WAV_RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

/** As long as programs say that do not know the length beforehand, because they write into a pipe. */
const UNKNOWN_SIZE = 0x7fff_0000;

/**
 * How long a WAV file of any format says it is, in seconds: more than it is when the upload was cut off. Null for other files, and
 * where it does not say.
 */
export function claimedSecondsOfWav(bytes: Buffer): number | null {
  if (!isWav(bytes)) return null;
  let bytesPerSecond = 0;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const id = bytes.toString('latin1', at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    if (id === 'fmt ' && at + 20 <= bytes.length) bytesPerSecond = bytes.readUInt32LE(at + 16);
    if (id === 'data') return bytesPerSecond === 0 || size >= UNKNOWN_SIZE ? null : size / bytesPerSecond;
    at += 8 + size + (size % 2);
  }
  return null;
}

/** The samples of a file that `parseWav` or `renderWav` returned. */
export function wavSamples(file: Buffer): Int16Array {
  const samples = new Int16Array((file.length - HEADER_BYTES) / 2);
  file.copy(new Uint8Array(samples.buffer), 0, HEADER_BYTES);
  return samples;
}

/** Sound of one channel, full scale 1. */
export interface Pcm {
  rate: number;
  samples: Float32Array;
}

/** Reads a WAV file of 16-bit PCM of any rate; channels are mixed. Throws a CampanileError (`audio_unusable`) for any other. */
export function readPcm(bytes: Buffer): Pcm {
  if (!isWav(bytes)) throw unusable('the audio is not a WAV file');
  const { format, samples: data } = findChunks(bytes);
  if (!isPcm(format) || format.readUInt16LE(14) !== 16) throw unusable('the WAV file is not of 16-bit PCM');
  const channels = format.readUInt16LE(2);
  const rate = format.readUInt32LE(4);
  if (channels < 1 || rate < 8000 || rate > 192_000) throw unusable('the WAV file contradicts itself');
  const samples = new Float32Array(Math.floor(data.length / 2 / channels));
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += data.readInt16LE((i * channels + c) * 2);
    samples[i] = sum / channels / 32_768;
  }
  return { rate, samples };
}

/** The first `fmt ` and `data` chunks, in whatever order. The size that RIFF claims is often wrong and not needed. */
function findChunks(bytes: Buffer): { format: Buffer; samples: Buffer } {
  let format: Buffer | undefined;
  let samples: Buffer | undefined;
  for (let at = 12; at + 8 <= bytes.length && !(format && samples); ) {
    const id = bytes.toString('latin1', at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const start = at + 8;
    if (start + size > bytes.length) {
      throw unusable(
        `the WAV file is cut off: its "${printable(id)}" chunk has ${bytes.length - start} of ${size} bytes`,
      );
    }
    if (id === 'fmt ') format ??= bytes.subarray(start, start + size);
    if (id === 'data') samples ??= bytes.subarray(start, start + size);
    at = start + size + (size % 2);
  }
  if (!format) throw unusable('the WAV file does not say what format it has');
  if (!samples) throw unusable('the WAV file has no data');
  return { format, samples };
}

function isWav(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WAVE';
}

function checkFormat(format: Buffer): void {
  if (format.length < 16) throw unusable('the WAV file does not say what format it has');
  const tag = format.readUInt16LE(0);
  const wrong = [
    ...(isPcm(format) ? [] : [`is compressed or not of integers (format ${tag})`]),
    ...(format.readUInt32LE(4) === WAV_RATE
      ? []
      : [`has ${format.readUInt32LE(4)} samples per second, not 8000`]),
    ...(format.readUInt16LE(2) === 1 ? [] : [`has ${format.readUInt16LE(2)} channels, not 1`]),
    ...(format.readUInt16LE(14) === 16 ? [] : [`has ${format.readUInt16LE(14)} bits per sample, not 16`]),
  ];
  if (wrong.length > 0) throw unusable(`the WAV file ${wrong.join(', ')}`);
  if (format.readUInt16LE(12) !== 2) throw unusable('the WAV file contradicts itself about its samples');
}

function isPcm(format: Buffer): boolean {
  if (format.length < 16) return false;
  const tag = format.readUInt16LE(0);
  return (
    tag === PCM || (tag === EXTENSIBLE && format.length >= 40 && format.toString('hex', 24, 40) === PCM_GUID)
  );
}

function printable(id: string): string {
  return id.replace(/[^\x20-\x7e]/g, '?');
}

function unusable(why: string): CampanileError {
  return new CampanileError('audio_unusable', `${why}; ${CURE}`);
}
