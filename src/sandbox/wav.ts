import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** How much audio a file has. `rate` is in samples per second. */
export interface Sound {
  samples: number;
  rate: number;
}

const HEADER_BYTES = 4096;
const FIRST_CHUNK = 12;
const RATE = 8000;
/** Sounds are named by what is in them and do not change, but a tenant's are without number. */
const MOST_KNOWN = 1000;
const known = new Map<string, Sound & { mtimeMs: number; size: number }>();

/** What Asterisk would play for `<path>.wav`; null when there is no such file or format_wav.c would not play it. */
export function soundOf(path: string): Sound | null {
  let file: number;
  try {
    file = openSync(`${path}.wav`, 'r');
  } catch {
    return null;
  }
  try {
    const { mtimeMs, size } = fstatSync(file);
    const before = known.get(path);
    if (before?.mtimeMs === mtimeMs && before.size === size) return before;
    const header = Buffer.alloc(HEADER_BYTES);
    const sound = readHeader(header.subarray(0, readSync(file, header, 0, HEADER_BYTES, 0)), size);
    if (known.size >= MOST_KNOWN) known.clear();
    if (sound) known.set(path, { ...sound, mtimeMs, size });
    return sound;
  } finally {
    closeSync(file);
  }
}

/**
 * Reads the chunks of a RIFF file up to its data, which counts only as far as the file goes. format_wav.c takes nothing
 * but PCM of 16 bits, one channel and 8,000 samples a second in a file called .wav, and wants `fmt ` to come first.
 */
function readHeader(header: Buffer, size: number): Sound | null {
  if (header.toString('latin1', 0, 4) !== 'RIFF' || header.toString('latin1', 8, 12) !== 'WAVE') return null;
  let playable = false;
  for (let at = FIRST_CHUNK; at + 8 <= header.length; ) {
    const id = header.toString('latin1', at, at + 4);
    const length = header.readUInt32LE(at + 4);
    const body = at + 8;
    if (id === 'fmt ' && at === FIRST_CHUNK && body + 16 <= header.length) {
      const pcm = header.readUInt16LE(body) === 1 && header.readUInt16LE(body + 14) === 16;
      playable = pcm && header.readUInt16LE(body + 2) === 1 && header.readUInt32LE(body + 4) === RATE;
    }
    if (id === 'data') {
      return playable ? { samples: Math.floor(Math.min(length, size - body) / 2), rate: RATE } : null;
    }
    at = body + length + (length % 2);
  }
  return null;
}
