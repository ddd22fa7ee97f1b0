/** What must be stopped, in the reverse of the order in which it was started. */
export interface Shutdown {
  add(stop: () => Promise<void>): void;
  /** Stops everything, the last first, one after the other. Again: the same. Throws the first error, after all. */
  stop(): Promise<void>;
}

export function createShutdown(): Shutdown {
  const stops: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;

  async function stopAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const stop of stops.reverse()) await stop().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  return {
    add: (stop) => {
      stops.push(stop);
    },
    stop: () => {
      stopping ??= stopAll();
      return stopping;
    },
  };
}
