/** Work that waits for its turn; whoever waits for a call comes before what is done ahead. */
export interface SpeechQueue {
  /** Runs `work` in its turn. A `key` that is waiting or running is not run twice, and becomes urgent if this is. */
  run(key: string, urgent: boolean, work: () => Promise<void>): Promise<void>;
  /** How many wait. */
  waiting(): number;
  /** Lets nobody begin any more; resolves when nothing runs. */
  stop(reason: Error): Promise<void>;
}

interface Entry {
  urgent: boolean;
  promise: Promise<void>;
  begin(): void;
  give(error: Error): void;
}

/** Runs `atOnce` at a time, the urgent first, each in the order in which they came. */
export function createSpeechQueue(atOnce: number): SpeechQueue {
  const entries = new Map<string, Entry>();
  let waiting: Entry[] = [];
  const running = new Set<Promise<unknown>>();
  let stopped: Error | null = null;

  function next(): void {
    while (running.size < atOnce && waiting.length > 0) {
      const at = Math.max(
        0,
        waiting.findIndex(({ urgent }) => urgent),
      );
      const [entry] = waiting.splice(at, 1);
      entry!.begin();
    }
  }

  function enter(key: string, urgent: boolean, work: () => Promise<void>): Entry {
    let settle: Pick<Entry, 'begin' | 'give'>;
    const promise = new Promise<void>((resolve, reject) => {
      const begin = () => {
        const run: Promise<void> = work()
          .then(resolve, reject)
          .finally(() => {
            running.delete(run);
            entries.delete(key);
            next();
          });
        running.add(run);
      };
      settle = { begin, give: reject };
    });
    // Whoever began it may have gone.
    promise.catch(() => {});
    return { urgent, promise, ...settle! };
  }

  return {
    async run(key, urgent, work) {
      if (stopped) throw stopped;
      let entry = entries.get(key);
      if (entry) entry.urgent ||= urgent;
      else {
        entry = enter(key, urgent, work);
        entries.set(key, entry);
        waiting.push(entry);
        next();
      }
      return entry.promise;
    },
    waiting: () => waiting.length,
    async stop(reason) {
      stopped = reason;
      const given = waiting;
      waiting = [];
      for (const { give } of given) give(reason);
      await Promise.all(running);
    },
  };
}
