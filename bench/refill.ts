import { existsSync, watch } from 'node:fs';
import { join } from 'node:path';

/** Milliseconds from a call file's leaving outgoing/ to the next one's coming, for as long as it is watched. */
export interface RefillWatch {
  stop(): number[];
}

/** Watches `outgoing`: the oldest file that left is made up for by the next that comes. */
export function watchRefills(outgoing: string): RefillWatch {
  const here = new Set<string>();
  const left: number[] = [];
  const waits: number[] = [];
  const watcher = watch(outgoing, (_event, name) => {
    if (!name?.endsWith('.call')) return;
    const now = performance.now();
    if (here.delete(name)) left.push(now);
    else if (existsSync(join(outgoing, name))) {
      here.add(name);
      const since = left.shift();
      if (since !== undefined) waits.push(now - since);
    }
  });
  return {
    stop() {
      watcher.close();
      return waits;
    },
  };
}
