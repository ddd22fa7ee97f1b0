import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { CampanileError } from '../errors.js';
import { plainEnvironment } from './embedded-user.js';

/** What our shell says when there is no flock(1). */
const noFlock = 99;

/** A lock on a file that the kernel takes back when this process ends, however it ends. */
export interface FileLock {
  /** Gives the lock up; resolves when another can take it, and may be repeated. */
  release(): Promise<void>;
}

/**
 * Takes flock(2) on `file`, creating it. Waits for it, or with `wait` false returns null when it is taken.
 *
 * Node has no flock, so a small shell holds it for us for as long as its stdin is open: our end closes with us, also
 * after kill -9. It is open for reading, which keeps no filesystem from being made read-only. Systems other than Linux have no flock(1): nothing is locked there, and Postgres' own guards remain.
 */
export async function lockFile(
  file: string,
  kind: 'shared' | 'exclusive',
  { wait }: { wait: boolean },
): Promise<FileLock | null> {
  const flock = `flock ${kind === 'shared' ? '-s' : '-x'} ${wait ? '' : '-n'} 9`;
  const script = `command -v flock >/dev/null || exit ${noFlock}; : >>"$1" && exec 9<"$1" && ${flock} && echo && exec cat >/dev/null`;
  const holder = spawn('/bin/sh', ['-c', script, 'sh', file], {
    cwd: '/',
    env: plainEnvironment(),
    stdio: ['pipe', 'pipe', 'inherit'],
    // Else Ctrl-C in a terminal would end the holder before our own stop is over.
    detached: true,
  });
  holder.stdin.on('error', () => {});
  const gone = new Promise<number | null>((resolve, reject) => {
    holder.once('error', reject);
    holder.once('exit', resolve);
  });
  const answer = await Promise.race([
    new Promise<'held'>((resolve) => holder.stdout.once('data', () => resolve('held'))),
    gone,
  ]);
  if (answer === noFlock && process.platform !== 'linux') return { release: async () => {} };
  if (answer === 1 && !wait) return null;
  if (answer !== 'held') {
    const why =
      answer === noFlock ? 'the program flock (package util-linux) is missing' : `flock ended with ${answer}`;
    throw new CampanileError('lock_failed', `cannot lock ${file}: ${why}`);
  }
  holder.unref();
  (holder.stdin as Socket).unref();
  (holder.stdout as Socket).unref();
  return {
    release: async () => {
      holder.ref();
      holder.stdin.end();
      await gone;
    },
  };
}
