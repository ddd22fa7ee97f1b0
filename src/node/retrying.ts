import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.js';

const DELAYS_MS = [100, 500, 2_000, 5_000, 10_000, 20_000];

/** Does `work` until it succeeds, for about 40 s; then it throws what kept it. Each failure is logged to `log`, which is the call's. */
export async function retrying(
  work: () => Promise<void>,
  { what, log }: { what: string; log: Logger },
): Promise<void> {
  for (const ms of [...DELAYS_MS, null]) {
    try {
      return await work();
    } catch (error) {
      log.error({ err: error, again_in_ms: ms }, `cannot write down ${what}`);
      if (ms === null) throw error;
      await delay(ms);
    }
  }
}
