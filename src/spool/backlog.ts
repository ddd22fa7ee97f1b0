interface Entry {
  failures: number;
  /** Milliseconds, of the clock that `now` is told from. */
  notBefore: number;
  group: number;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 5000;

/** Remembers which files could not be processed, and when they may be tried again. `now` is of a clock that nobody sets. */
export interface Backlog {
  /** The names to process now: those that never failed as one batch, then each group that is due. */
  select(names: readonly string[], now: number): string[][];
  /**
   * Delays a group, longer each time, up to 5 s. With `split` it is tried again in two halves, so that in the end one
   * bad file holds up nobody else's.
   */
  delay(names: readonly string[], now: number, split: boolean): void;
  /** Whether it was delayed before. */
  has(name: string): boolean;
  /** Forgets all names but these. */
  retain(names: readonly string[]): void;
}

export function createBacklog(): Backlog {
  const entries = new Map<string, Entry>();
  let lastGroup = 0;
  return {
    select(names, now) {
      const groups = new Map<number, string[]>();
      for (const name of names) {
        const entry = entries.get(name);
        if (entry && entry.notBefore > now) continue;
        const group = groups.get(entry?.group ?? 0);
        if (group) group.push(name);
        else groups.set(entry?.group ?? 0, [name]);
      }
      return [...groups].toSorted(([a], [b]) => a - b).map(([, group]) => group);
    },
    delay(names, now, split) {
      const half = split ? Math.ceil(names.length / 2) : names.length;
      for (const [i, name] of names.entries()) {
        const failures = (entries.get(name)?.failures ?? 0) + 1;
        const pause = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), LONGEST_DELAY_MS);
        entries.set(name, { failures, notBefore: now + pause, group: lastGroup + (i < half ? 1 : 2) });
      }
      lastGroup += 2;
    },
    has: (name) => entries.has(name),
    retain(names) {
      if (entries.size === 0) return;
      const there = new Set(names);
      for (const name of entries.keys()) if (!there.has(name)) entries.delete(name);
    },
  };
}
