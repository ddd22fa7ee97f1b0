const secondsOf: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Longer than any retention or wait makes sense, so that a slip of the finger is refused. */
const longestSeconds = 3650 * 86_400;

/**
 * Reads a duration as people write it in settings: a whole number and one unit, `500ms`, `90s`, `5m`, `2h` or `1d`.
 * Returns seconds (`500ms` is 0.5). Throws a RangeError that says what is wrong, also for more than 3650 days.
 */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) {
    throw new RangeError(
      `"${text}" is not a duration: write a whole number and ms, s, m, h or d, such as 90s`,
    );
  }
  const seconds = Number(amount) * secondsOf[unit]!;
  if (seconds > longestSeconds) throw new RangeError(`"${text}" is longer than 3650d`);
  return seconds;
}
