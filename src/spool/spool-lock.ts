import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FileLock, lockFile } from '../db/embedded-lock.js';
import { CampanileError } from '../errors.js';
import type { Spool } from './directories.js';

/** As long as the kernel and the lock's holder may take after a process was killed that is started again at once. */
const PATIENCE_MS = 2000;
const AGAIN_MS = 100;

/**
 * Makes sure that one process serves this spool: to another, under another node's name or with another database, the
 * call files of the first are without an attempt, and it would take them away. The kernel gives the lock back however we
 * end. Throws a CampanileError (`spool_taken`) when another process holds it.
 */
export async function lockSpool(spool: Spool, patienceMs = PATIENCE_MS): Promise<FileLock> {
  const file = join(spool.root, 'campanile', 'lock');
  for (const until = performance.now() + patienceMs; ; await delay(AGAIN_MS)) {
    const lock = await lockFile(file, 'exclusive', { wait: false });
    if (lock) return lock;
    if (performance.now() >= until) {
      throw new CampanileError(
        'spool_taken',
        `another campanile process serves the spool ${spool.root}: stop it first, or set CAMPANILE_SPOOL to the spool of an Asterisk of its own`,
      );
    }
  }
}
