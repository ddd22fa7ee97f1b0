import type { Logger } from '../log.js';

/** What one pass of the scheduler came to. */
export interface Pass {
  /** Milliseconds until the next pass may find something; null when only a wake or the sweep can tell. */
  wakeInMs: number | null;
  /** How many calls it claimed. */
  claimed: number;
}

export interface Scheduler {
  start(): void;
  /** Something may be due or free. Cheap; any number of calls during a pass come to one more pass. */
  wake(): void;
  /** No pass begins after this; resolves when the one under way has placed its calls. */
  stop(): Promise<void>;
}

/** A pass that nothing asked for, in case a hint was lost: hints are hints, the sweep is the truth. */
const SWEEP_MS = 2000;
/** How long to leave a database or spool alone that has just failed. */
const BACKOFF_MS = 1000;

/**
 * Runs `pass` whenever it is woken, when the time that the last pass named has come, and at each sweep; never two at
 * once. A pass that throws is logged and tried again after a second.
 */
export function createScheduler(options: {
  pass: () => Promise<Pass>;
  log: Logger;
  /** Told how many calls a sweep claimed: no hint had said that they are due. */
  onSweepFind?: ((calls: number) => void) | undefined;
}): Scheduler {
  const { pass, log, onSweepFind } = options;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | null = null;
  let woken = false;
  let stopped = true;
  /** Whether the pass that comes next is nobody's wish. */
  let isSweep = false;

  async function run(): Promise<void> {
    let pauseMs = SWEEP_MS;
    do {
      woken = false;
      const bySweep = isSweep;
      isSweep = false;
      try {
        const { wakeInMs, claimed } = await pass();
        if (bySweep && claimed > 0) onSweepFind?.(claimed);
        isSweep = wakeInMs === null || wakeInMs > SWEEP_MS;
        pauseMs = Math.min(SWEEP_MS, Math.max(1, wakeInMs ?? SWEEP_MS));
      } catch (error) {
        log.error({ err: error }, 'cannot place calls; trying again in a second');
        pauseMs = BACKOFF_MS;
        woken = false;
      }
      if (woken) isSweep = false;
    } while (woken && !stopped);
    running = null;
    if (!stopped) timer = setTimeout(go, pauseMs);
  }

  function go(): void {
    if (stopped) return;
    if (running) {
      woken = true;
      return;
    }
    clearTimeout(timer);
    running = run();
  }

  return {
    start() {
      stopped = false;
      go();
    },
    wake() {
      isSweep = false;
      go();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
