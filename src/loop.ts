import type { Logger } from './log.js';

/** Something done again and again, sooner when it is woken. */
export interface Loop {
  start(): void;
  /** There may be something to do. Cheap; any number of calls during a pass come to one more pass. */
  wake(): void;
  /** No pass begins after this; resolves when the one under way is over. */
  stop(): Promise<void>;
}

/** How long a database that has just failed is left alone. */
const BACKOFF_MS = 5000;

/**
 * Runs `pass` every `everyMs`, when it is woken, and at once again while it returns true; never two at once. One that throws is
 * logged and tried again after 5 s.
 */
export function createLoop(options: {
  name: string;
  everyMs: number;
  pass: () => Promise<boolean>;
  log: Logger;
}): Loop {
  const { name, everyMs, pass, log } = options;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | null = null;
  let woken = false;
  let failed = false;
  let stopped = true;

  async function run(): Promise<void> {
    do {
      woken = false;
      try {
        failed = false;
        woken = (await pass()) || woken;
      } catch (error) {
        log.error({ err: error }, `cannot ${name}; trying again in ${BACKOFF_MS / 1000} s`);
        failed = true;
      }
    } while (woken && !failed && !stopped);
    running = null;
    if (!stopped) timer = setTimeout(go, failed ? BACKOFF_MS : everyMs);
  }

  function go(): void {
    clearTimeout(timer);
    running = run();
  }

  return {
    start() {
      if (!stopped) return;
      stopped = false;
      go();
    },
    wake() {
      if (stopped || (failed && !running)) return;
      if (running) woken = true;
      else go();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
