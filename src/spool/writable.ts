import { access, constants } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.js';
import type { Spool } from './directories.js';
import type { Reconciler } from './reconciler.js';

/** Long enough for what is in doubt (doubts.ts) to have settled. */
const SETTLES_MS = 2200;

/**
 * Sees that the spool could not be written and can be again: a disk that the kernel made read-only after an error, for example.
 * Asterisk goes on calling meanwhile, but can neither mark nor archive what it does. Returns 1 when that was so, and has had
 * everything set right then. To be called every second.
 */
export function createWritableWatch(
  spool: Spool,
  reconciler: Pick<Reconciler, 'hold' | 'doubt' | 'run'>,
  log: Logger,
): () => Promise<number> {
  let since: number | null = null;
  return async () => {
    const reason = await access(spool.outgoing, constants.W_OK).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.message,
    );
    if (reason !== null) {
      if (since === null) log.error({ reason }, 'the spool cannot be written: nothing is placed');
      since ??= performance.now();
      reconciler.hold();
      return 0;
    }
    if (since === null) return 0;
    const seconds = Math.round((performance.now() - since) / 1000);
    log.warn({ seconds }, 'the spool can be written again');
    reconciler.doubt();
    await reconciler.run();
    since = null;
    await delay(SETTLES_MS);
    await reconciler.run();
    return 1;
  };
}
