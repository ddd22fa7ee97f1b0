import type { ChaosLab } from './lab.js';
import type { Load } from './load.js';

/** What a fault breaks: two faults of one component never overlap. */
export const COMPONENTS = [
  'campanile',
  'asterisk',
  'postgres',
  'agi',
  'spool',
  'clock',
  'database-copy',
] as const;
export type Component = (typeof COMPONENTS)[number];

/** What may go wrong, once or many times in a run. */
export interface Fault {
  /** What it is called in the plan and in the figures, e.g. `campanile killed`. */
  readonly kind: string;
  readonly component: Component;
  /** Components that must be well while it goes on, beside its own. */
  readonly needs?: readonly Component[];
  /** About how long it takes, in seconds: one that does not fit into what is left of a run is not begun. */
  readonly seconds: number;
  /** What the documents allow an attempt to end as that was under way, other than the far end saw. Without it: nothing. */
  readonly allows?: Allowance;
  /**
   * Does it, and resolves when its cause is gone: calls must flow again within five seconds of that. Throws NotReached when
   * the moment did not come.
   */
  inject(lab: ChaosLab, load: Load): Promise<void>;
}

/** What the documents say that a fault does to a call; anything else is a violation. */
export interface Allowance {
  /** The sentence of docs/what-happens-if.md that says so. */
  readonly because: string;
  /** Dispositions that an attempt may have although the far end saw something else, or nothing. */
  readonly dispositions?: readonly string[];
  /** INVITEs may have no attempt in the database: it was restored from before them. */
  readonly forgotten?: true;
}

/** A fault that happened. Times are milliseconds since 1970. */
export interface Injected {
  readonly kind: string;
  readonly component: Component;
  readonly startedAt: number;
  /** When its cause was gone. */
  readonly goneAt: number;
  readonly allows?: Allowance;
}

/** The fault could not be brought about this time; everything is as it was. */
export class NotReached extends Error {}
