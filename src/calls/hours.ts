export const MINUTES_A_DAY = 1440;

/** Minutes since midnight of the day on which the range begins; `to` passes 1440 when it runs into the next day. */
export interface Hours {
  from: number;
  to: number;
}

/**
 * Reads a range of hours, `09:00-12:30`. One whose end is not after its start runs over midnight: `22:00-02:00` lasts
 * four hours and `09:00-09:00` a whole day. `24:00` may stand as an end. Returns null when it cannot be read.
 */
export function parseHours(text: string): Hours | null {
  const [, start = '', end = ''] = /^([^-]*)-([^-]*)$/.exec(text) ?? [];
  const from = parseTime(start);
  const to = end === '24:00' ? MINUTES_A_DAY : parseTime(end);
  if (from === null || to === null) return null;
  return { from, to: to > from ? to : to + MINUTES_A_DAY };
}

function parseTime(text: string): number | null {
  const [, hour, minute] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  return hour === undefined ? null : Number(hour) * 60 + Number(minute);
}

/** The time of day as `09:05`, of minutes since midnight. */
export function timeOf(minutes: number): string {
  const pad = (n: number) => String(n).padStart(2, '0');
  return `${pad(Math.floor(minutes / 60))}:${pad(Math.floor(minutes % 60))}`;
}

/** The number of a date (`2026-12-25`) in days since 1970-01-01, or null when there is no such date. */
export function parseDate(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null;
  const day = Date.parse(`${text}T00:00:00Z`) / 86_400_000;
  // Some dates that do not exist are read as others: 2026-02-30 as 2026-03-02.
  return !Number.isNaN(day) && dateOf(day) === text ? day : null;
}

/** The date (`2026-12-25`) of a number of days since 1970-01-01. */
export function dateOf(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}
