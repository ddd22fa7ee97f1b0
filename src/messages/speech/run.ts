import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { CampanileError } from '../../errors.js';

const MOST_OUTPUT = 256 * 1024;
const MOST_COMPLAINTS = 4096;
const MOST_LINES = 3;
const CLOSE_MS = 1000;

/**
 * Runs an engine without a shell, with `input` on its standard input, and resolves with its standard output. When `signal` is
 * aborted it is killed, with all that it started. Throws a CampanileError `speech_failed` with its last lines, or
 * `speech_missing` when there is no such program.
 */
export async function runEngine(
  argv: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<string> {
  const [program, ...args] = argv as [string, ...string[]];
  signal.throwIfAborted();
  // A process group of its own: a script that is killed would leave what it called behind, with our pipes.
  const child = spawn(program, args, {
    cwd: tmpdir(),
    env: environment(),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  signal.addEventListener('abort', kill);
  const closed = new Promise((resolve) => child.once('close', resolve));
  let said = '';
  let complained = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, MOST_OUTPUT);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained = (complained + text).slice(-MOST_COMPLAINTS);
  });
  // It need not read it.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  try {
    const ended = await new Promise<string | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, killedBy) => resolve(code === 0 ? null : (killedBy ?? `status ${code}`)));
    });
    // What it started and left behind would keep its output open; what went out of our reach is not waited for.
    kill();
    await Promise.race([closed, setTimeout(CLOSE_MS, undefined, { ref: false })]);
    if (signal.aborted) throw new CampanileError('speech_failed', reasonOf(signal));
    if (ended !== null) throw failed(complained || said, `${program} ended with ${ended}`);
    return said;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EACCES') throw error;
    throw new CampanileError('speech_missing', `there is no ${program} that can be run here`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener('abort', kill);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

function reasonOf(signal: AbortSignal): string {
  return signal.reason instanceof Error ? signal.reason.message : 'it was stopped';
}

/** Everything but what is ours and secret. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('CAMPANILE_')),
  );
}

function failed(said: string, ended: string): CampanileError {
  const lines = said
    .replace(/[^\P{Cc}\n]/gu, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-MOST_LINES);
  const words = lines.join(' / ').slice(-300);
  return new CampanileError('speech_failed', words === '' ? ended : `${ended}: ${words}`);
}
