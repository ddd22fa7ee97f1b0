import type { Logger } from './log.js';

/** Something done again and again. `run` returns how many things it touched; only what is not 0 is logged. */
export interface Duty {
  everySeconds: number;
  name: string;
  run(): Promise<number>;
}

export interface Duties {
  start(): void;
  /** Resolves when the duties under way are done. */
  stop(): Promise<void>;
}

/** Runs each duty at its interval, counted from the end of its last run; one that throws is logged and goes on. */
export function createDuties(duties: readonly Duty[], log: Logger): Duties {
  const timers = new Map<Duty, NodeJS.Timeout>();
  const running = new Set<Promise<void>>();
  let stopped = true;

  async function perform(duty: Duty): Promise<void> {
    try {
      const touched = await duty.run();
      if (touched > 0) log.info({ duty: duty.name, touched }, 'a periodic duty found work');
    } catch (error) {
      log.error({ duty: duty.name, err: error }, 'a periodic duty failed');
    }
    schedule(duty);
  }

  function schedule(duty: Duty): void {
    if (stopped) return;
    const go = () => {
      const run: Promise<void> = perform(duty).finally(() => running.delete(run));
      running.add(run);
    };
    timers.set(duty, setTimeout(go, duty.everySeconds * 1000));
  }

  return {
    start() {
      stopped = false;
      for (const duty of duties) schedule(duty);
    },
    async stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running);
    },
  };
}
