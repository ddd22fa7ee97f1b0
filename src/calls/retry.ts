import { isTrunkFault } from './breaker.js';
import { parseDuration } from './duration.js';
import { type Disposition, type FinalContactState, finalStateOf } from './states.js';

/** Dispositions that a campaign may retry. A wrong number stays wrong and an answered contact was reached. */
export const RETRYABLE = [
  'machine',
  'busy',
  'no_answer',
  'rejected',
  'congestion',
  'unreachable',
  'failed',
  'lost',
] as const satisfies readonly Disposition[];
export type Retryable = (typeof RETRYABLE)[number];

/** Delays as people say them, e.g. `{ busy: '5m,15m', congestion: '1m*5' }`. */
export type RetryRules = Partial<Record<Retryable, string>>;

const MAX_RETRIES_PER_RULE = 100;

/**
 * Reads one rule: durations separated by commas, each optionally repeated (`1m*5`). Returns the delays in seconds;
 * their number is how often that disposition is retried. Throws an Error with a sentence when it cannot be read.
 */
export function parseDelays(rule: string): number[] {
  const delays: number[] = [];
  for (const part of rule.split(',')) {
    const [, duration, times] = /^\s*([^*\s]+)\s*(?:\*\s*(\d{1,3}))?\s*$/.exec(part) ?? [];
    if (duration === undefined || times === '0') {
      throw new Error(`cannot read the retry rule "${rule}": write delays like 5m,15m or 1m*5`);
    }
    const seconds = parseDuration(duration);
    for (let i = 0; i < Number(times ?? 1); i++) delays.push(seconds);
  }
  if (delays.length > MAX_RETRIES_PER_RULE) {
    throw new Error(`the retry rule "${rule}" has more than ${MAX_RETRIES_PER_RULE} retries`);
  }
  return delays;
}

/**
 * What follows an attempt: another one after `delaySeconds` on the first trunk in order that has a port; at once, on one no
 * earlier than the position `trunkFrom`; or the contact's final state.
 */
export type NextStep =
  | { state: 'retrying'; delaySeconds: number; trunkFrom?: number }
  | { state: FinalContactState };

/** The campaign's trunks, as seen from an attempt: how many there are, and the next position that may be tried, if any. */
export interface TrunkOrder {
  trunks: number;
  next: number | null;
}

/**
 * Decides what follows an attempt that ended as `disposition`, and nothing else does. `attempts` counts all of the
 * contact's attempts with this one, `endedSo` how many of them ended as `disposition`, this one included, and `failedOver`
 * those, counted in `attempts` only, after which the next trunk was tried. All trunks together are one try: one that fails
 * through its trunk's fault is tried on the next, and no rule is asked, nor the most attempts counted, before the last has
 * failed. However orders and rests change meanwhile, a contact has no more than `maxAttempts` attempts for each trunk.
 * A cancelled campaign retries nothing: what would have been tried again is `cancelled`.
 */
export function nextStep(
  disposition: Disposition,
  contact: { attempts: number; endedSo: number; failedOver: number },
  campaign: { retry: RetryRules; maxAttempts: number; cancelled: boolean },
  order: TrunkOrder,
): NextStep {
  const { maxAttempts, cancelled } = campaign;
  const failsOver =
    isTrunkFault(disposition) && order.next !== null && contact.failedOver < maxAttempts * (order.trunks - 1);
  if (failsOver)
    return cancelled ? CANCELLED : { state: 'retrying', delaySeconds: 0, trunkFrom: order.next! };
  const rule = (campaign.retry as Partial<Record<Disposition, string>>)[disposition];
  const delay = rule === undefined ? undefined : parseDelays(rule)[contact.endedSo - 1];
  if (delay === undefined || contact.attempts - contact.failedOver >= maxAttempts)
    return { state: finalStateOf(disposition) };
  return cancelled ? CANCELLED : { state: 'retrying', delaySeconds: delay };
}

const CANCELLED: NextStep = { state: 'cancelled' };
