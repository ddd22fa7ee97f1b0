import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { CampanileError, messageOf } from '../errors.js';

/** One run of ffmpeg or ffprobe. */
export interface Run {
  program: 'ffmpeg' | 'ffprobe';
  args: readonly string[];
  /** What it reads as its standard input. */
  input: readonly Uint8Array[];
  /** What becomes of its outputs: the first is its standard output, `pipe:1`, the others `pipe:3` and on. */
  outputs: readonly ((chunk: Buffer) => void)[];
  /** Ends it, by SIGKILL. */
  signal: AbortSignal;
}

/** It is not on this machine. */
export class NoFfmpeg extends Error {}

/**
 * How an upload is to be read. Over the protocols `cache` and `pipe` ffmpeg reaches nothing but what it is given: a playlist or a
 * concat script that names a file or an address finds neither. `cache` lets it seek, which MP4 wants; its file in the temporary
 * directory has no name any more by the time that something is in it. No block of memory may be larger than 64 MiB.
 */
export const UPLOADED = [
  ...['-max_alloc', String(64 * 1024 * 1024), '-protocol_whitelist', 'cache,pipe'],
  ...['-read_ahead_limit', '-1', '-i', 'cache:pipe:0'],
];

const MOST_COMPLAINTS = 4096;

/**
 * Runs it without a shell and with nothing of our environment but PATH. Rejects with NoFfmpeg when it is not installed, with the
 * signal's reason when that ended it, and else with a CampanileError (`audio_unusable`) that has its last words.
 */
export async function run({ program, args, input, outputs, signal }: Run): Promise<void> {
  signal.throwIfAborted();
  const extra = outputs.slice(1).map(() => 'pipe' as const);
  const child = spawn(program, ['-hide_banner', '-v', 'error', ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, TMPDIR: tmpdir(), LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe', ...extra],
    signal,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MOST_COMPLAINTS);
  });
  for (const [i, take] of outputs.entries()) {
    (child.stdio[i === 0 ? 1 : i + 2] as Readable).on('data', take);
  }
  // It may have read enough, or have ended: its exit tells.
  child.stdin!.on('error', () => {});
  for (const chunk of input) child.stdin!.write(chunk);
  child.stdin!.end();
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    signal.throwIfAborted();
    if (error.code === 'ENOENT') throw new NoFfmpeg(`there is no ${program}`, { cause: error });
    throw error;
  });
  signal.throwIfAborted();
  if (code !== 0)
    throw new CampanileError('audio_unusable', lastWords(said) || `${program} ended with ${code}`);
}

/** Its last line, without the name of the part that says it and of the input. */
function lastWords(said: string): string {
  const line = said.trim().split('\n').at(-1) ?? '';
  return printable(line.replace(/^(\[[^\]]*\]\s*)*/, '').replace(/^cache:pipe:0:\s*/, ''));
}

/** What came out of a file, as a problem document may show it. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

/** What ffprobe says of an upload, as JSON. */
export async function probe(input: Buffer, signal: AbortSignal): Promise<unknown> {
  const said: Buffer[] = [];
  const shown = [
    'stream=codec_type,codec_name,sample_rate,channels,bits_per_sample,duration',
    'format=format_name,duration',
  ].join(':');
  await run({
    program: 'ffprobe',
    args: [...UPLOADED, '-show_entries', shown, '-of', 'json'],
    input: [input],
    outputs: [(chunk) => said.push(chunk)],
    signal,
  });
  try {
    return JSON.parse(Buffer.concat(said).toString());
  } catch (cause) {
    throw new CampanileError('audio_unusable', `ffprobe says no JSON: ${messageOf(cause)}`, { cause });
  }
}
