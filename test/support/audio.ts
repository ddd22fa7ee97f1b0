import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What ffmpeg writes as a file of this name, of `args`, its inputs and options: `-f lavfi -i sine -t 2`, for example. */
export async function makeAudio(name: string, args: string): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'campanile-audio-'));
  try {
    const file = join(directory, name);
    await run('ffmpeg', ['-v', 'error', ...args.split(' '), file]);
    return await readFile(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Two seconds of a tone of 440 Hz, far below full scale. */
export const TONE = '-f lavfi -i sine=frequency=440:sample_rate=44100:duration=2';

/** Samples of 16 bit as G.711 means them (ITU-T G.711, tables 1 and 2). */
export function decodeUlaw(bytes: Buffer): number[] {
  return [...bytes].map((byte) => {
    const code = ~byte & 0xff;
    const magnitude = (((code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4);
    return code & 0x80 ? 0x84 - magnitude : magnitude - 0x84;
  });
}

export function decodeAlaw(bytes: Buffer): number[] {
  return [...bytes].map((byte) => {
    const code = byte ^ 0x55;
    const segment = (code & 0x70) >> 4;
    const step = ((code & 0x0f) << 4) + 8;
    const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1);
    return code & 0x80 ? magnitude : -magnitude;
  });
}

/** A part of raw G.722 or of a file as samples of 16 bit at `rate`. */
export async function decode(bytes: Buffer, input: string, rate: number): Promise<Int16Array> {
  const child = run(
    'ffmpeg',
    ['-v', 'error', ...input.split(' '), '-i', 'pipe:0', '-f', 's16le', '-ac', '1', '-ar', String(rate), '-'],
    { encoding: 'buffer', maxBuffer: 1e9 },
  );
  child.child.stdin!.end(bytes);
  const { stdout } = await child;
  return new Int16Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length));
}

/** Integrated loudness and true peak by ffmpeg's own meter. */
export async function measure(wav: Buffer): Promise<{ lufs: number; peakDb: number }> {
  const args = ['-hide_banner', '-nostats', '-i', 'pipe:0', '-af', 'ebur128=peak=true', '-f', 'null', '-'];
  const child = run('ffmpeg', args);
  child.child.stdin!.end(wav);
  const { stderr } = await child;
  const summary = stderr.slice(stderr.lastIndexOf('Summary:'));
  return {
    lufs: Number(/I:\s+(-?[\d.]+) LUFS/.exec(summary)![1]),
    peakDb: Number(/Peak:\s+(-?[\d.]+) dBFS/.exec(summary)![1]),
  };
}
