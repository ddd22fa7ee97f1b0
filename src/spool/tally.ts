import type { Action, Finding } from './reconcile.js';

export interface Orphans {
  files: number;
  attempts: number;
}

/** What a comparison found before it set it right. */
export interface Compared {
  /** When it was done, by performance.now(). */
  at: number;
  /** Open attempts that no call is behind any more, beyond the grace. */
  leaked: number;
  /** Since when the call is over that has waited longest for its attempt to be ended; null: none waits. */
  unfinishedSince: Date | null;
}

/** What is done about an open attempt that no call is behind. */
const LEAKS: readonly Action[] = ['release', 'finish', 'conclude', 'lost'];

/** Counts what one comparison finds. */
export class Tally {
  readonly orphans: Orphans = { files: 0, attempts: 0 };
  #leaked = 0;
  #unfinished = Infinity;

  /** One finding, and what is going to be done about it. */
  add({ attempt, file, since, hangupAt }: Finding, action: Action): void {
    if (attempt === 'none' && action === 'quarantine') this.orphans.files += 1;
    if (file === 'nowhere' && action !== 'leave') this.orphans.attempts += 1;
    if (attempt !== 'open') return;
    if (LEAKS.includes(action)) this.#leaked += 1;
    if (file === 'outgoing_done' || hangupAt)
      this.#unfinished = Math.min(this.#unfinished, (hangupAt ?? since).getTime());
  }

  compared(): Compared {
    const unfinishedSince = this.#unfinished === Infinity ? null : new Date(this.#unfinished);
    return { at: performance.now(), leaked: this.#leaked, unfinishedSince };
  }
}
