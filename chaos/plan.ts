import type { Fault } from './fault.js';
import { createRandom, shuffled } from './random.js';

/** One step of a plan: one fault, or two of different components at the same time. */
export interface Step {
  faults: Fault[];
  /** Seconds of peace before it. */
  pause: number;
  /** What the faults of this step draw their random moments from. */
  seed: number;
}

/** Calls have to flow again, and ports to fill, before the next one. */
const PAUSE = { from: 2, to: 6 };
const TOGETHER = 0.5;

/**
 * The steps of a run, without an end: first each kind once, alone, in a random order, and from then on any, a part of them
 * two at a time. The same seed and faults give the same steps.
 */
export function* plan(faults: readonly Fault[], seed: number): Generator<Step> {
  const random = createRandom(seed);
  const step = (...chosen: Fault[]): Step => ({
    faults: chosen,
    pause: PAUSE.from + random() * (PAUSE.to - PAUSE.from),
    seed: Math.floor(random() * 2 ** 32),
  });
  for (const fault of shuffled(faults, random)) yield step(fault);
  for (;;) {
    const [first, ...others] = shuffled(faults, random);
    if (!first) return;
    const second = random() < TOGETHER ? others.find((other) => mayOverlap(first, other)) : undefined;
    yield second ? step(first, second) : step(first);
  }
}

/** Whether two faults may go on at once: neither is of a component that the other breaks or needs. */
export function mayOverlap(one: Fault, other: Fault): boolean {
  const needs = (fault: Fault) => [fault.component, ...(fault.needs ?? [])];
  return !needs(one).includes(other.component) && !needs(other).includes(one.component);
}

/** About how many seconds a step takes. */
export function secondsOf({ faults, pause }: Step): number {
  return pause + Math.max(...faults.map((fault) => fault.seconds));
}
