import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CampanileError } from '../errors.js';

/**
 * Runs `work` while holding an exclusive lock on the file `path` (made when missing, never removed); waits for as long
 * as another process, or another caller in this one, holds it. `onWait` is called once when it has to wait.
 *
 * The lock is flock(2), held by a child that ends with us: the kernel drops it however we die, so there is no stale
 * lock to recognise.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, onWait?: () => void): Promise<T> {
  const holder = spawn('flock', ['--exclusive', path, 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // A holder that was killed from outside closes the pipe under us.
  holder.stdin.on('error', () => {});
  let complaint = '';
  holder.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const waiting = setTimeout(() => onWait?.(), 200);
  try {
    await Promise.race([
      once(holder.stdout, 'data'),
      // once() rejects on 'error', which spawn emits when there is no flock program.
      once(holder, 'exit').then(() => {
        throw new CampanileError('lock_failed', `cannot lock ${path}: ${complaint.trim() || 'flock ended'}`);
      }),
    ]);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    const released = holder.exitCode === null && holder.pid !== undefined ? once(holder, 'exit') : null;
    holder.stdin.end();
    await released;
  }
}
