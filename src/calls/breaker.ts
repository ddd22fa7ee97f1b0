import type { Disposition } from './states.js';

/** Dispositions that are the trunk's fault: nobody was rung, and another trunk may get through. */
export const TRUNK_FAULTS = ['congestion', 'unreachable'] as const satisfies readonly Disposition[];

export function isTrunkFault(disposition: Disposition): boolean {
  return (TRUNK_FAULTS as readonly Disposition[]).includes(disposition);
}

/**
 * When a trunk is rested: at least `failures` calls of the last `seconds` failed through its fault, and they are at least
 * `share` (0 to 1) of all that ended on it. It then rests for `rest_seconds`.
 */
export interface Breaker {
  failures: number;
  share: number;
  seconds: number;
  rest_seconds: number;
}

export const DEFAULT_BREAKER: Breaker = { failures: 20, share: 0.5, seconds: 60, rest_seconds: 60 };

/** How many calls at once are tried on a trunk whose rest is over, until one tells whether it works. */
export const TRIAL_PORTS = 3;

/** Calls that ended on a trunk, and how many of them failed through its fault. */
export interface Judged {
  judged: number;
  faults: number;
}

/** What there is to know of a trunk on which calls have just ended. */
export interface TrunkHealth {
  /** Null: it is never rested. */
  breaker: Breaker | null;
  /** Null: it does not rest. */
  restingUntil: Date | null;
  now: Date;
  /** All that ended within the breaker's `seconds`, those that have just ended included. */
  lately: Judged;
  /** Those that have just ended and began after `restingUntil`. */
  trials: Judged;
}

/**
 * Whether a trunk is to rest from now on, is to be dialled freely again (`work`), or stays as it is (null). What was on it
 * before a rest says nothing about it after the rest: then only trials count, and one that came through is enough.
 */
export function judgeTrunk({
  breaker,
  restingUntil,
  now,
  lately,
  trials,
}: TrunkHealth): 'rest' | 'work' | null {
  if (!breaker) return restingUntil ? 'work' : null;
  if (!restingUntil) {
    const { judged, faults } = lately;
    return faults >= breaker.failures && faults >= breaker.share * judged ? 'rest' : null;
  }
  if (restingUntil > now || trials.judged === 0) return null;
  return trials.faults < trials.judged ? 'work' : 'rest';
}
