/** Seconds before the second attempt, the third, and so on: a day in all. Close to the example of Standard Webhooks. */
export const BACKOFF_SECONDS: readonly number[] = [
  5,
  5 * 60,
  30 * 60,
  2 * 3600,
  5 * 3600,
  8 * 3600,
  8.5 * 3600,
];

/** No receiver may put a delivery off for longer. */
const LONGEST_SECONDS = 86_400;

/**
 * Seconds until the attempt that follows attempt number `attempts`; null when there is none. `retryAfterSeconds`, what the
 * receiver asked for, makes it later and never sooner. `random`, from 0 to 1, spreads the attempts that failed together.
 */
export function nextAttemptIn(
  attempts: number,
  schedule: readonly number[],
  retryAfterSeconds: number | null,
  random: number,
): number | null {
  const delay = schedule[attempts - 1];
  if (delay === undefined) return null;
  const spread = delay * (0.9 + 0.2 * random);
  return Math.max(spread, Math.min(retryAfterSeconds ?? 0, LONGEST_SECONDS));
}

/** The seconds of a Retry-After header (RFC 9110 section 10.2.3), a number or a date; null for what is neither. */
export function parseRetryAfter(header: string | undefined, now: Date): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  // Date.parse takes much that is none for a date.
  const at = /^[A-Z][a-z]{2}/.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max((at - now.getTime()) / 1000, 0);
}
