import { type Hours, MINUTES_A_DAY, parseDate, parseHours } from './hours.js';
import { isZone } from './offset.js';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/**
 * When a campaign may call, as it is stored in JSON. It means what the clock on the wall shows: where clocks go back,
 * an hour that comes twice is open both times, and where they go forward, what was skipped is not made up for.
 *
 * A range over midnight (`22:00-02:00`) belongs to the day on which it begins. So on `weekdays: ['fri']` it is open
 * until Saturday 02:00. A date in `except_dates` takes away the ranges that begin on it, their part after midnight as
 * well; the range that began the evening before still runs to its end on the date left out.
 */
export interface CallingWindow {
  readonly weekdays: readonly Weekday[];
  /** Ranges of local time, `09:00-12:30`. See `parseHours`. */
  readonly hours: readonly string[];
  /** Local dates, `2026-12-25`. */
  readonly except_dates: readonly string[];
  /** Whose clock: an IANA zone, or `contact` for the zones that the contact may be in. */
  readonly zone: string;
}

/** What is wrong with one field; `field` is a JSON pointer (RFC 6901), or `/` for the whole. */
export interface WindowProblem {
  field: string;
  message: string;
}

const MOST_HOURS = 24;
const MOST_DATES = 1000;
const FIELDS = ['weekdays', 'hours', 'except_dates', 'zone'];

/**
 * Checks a window that came as JSON. Returns it with `except_dates` filled in where they were left out, or all that is
 * wrong with it. A field that is not known is wrong: a date left out under a misspelt name would be called on.
 */
export function parseWindow(value: unknown): { window: CallingWindow } | { problems: WindowProblem[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problems: [{ field: '/', message: 'must be an object' }] };
  }
  const given = value as Record<string, unknown>;
  const { weekdays, hours, except_dates = [], zone } = given;
  const problems = [
    ...Object.keys(given)
      .filter((key) => !FIELDS.includes(key))
      .map((key) => ({ field: `/${escapeKey(key)}`, message: 'is not known' })),
    ...listProblems('/weekdays', weekdays, 1, WEEKDAYS.length, (day) =>
      (WEEKDAYS as readonly string[]).includes(day) ? null : `must be one of ${WEEKDAYS.join(', ')}`,
    ),
    ...listProblems('/hours', hours, 1, MOST_HOURS, (range) =>
      parseHours(range) ? null : 'must be two times of day from 00:00 to 24:00, such as 09:00-17:30',
    ),
    ...listProblems('/except_dates', except_dates, 0, MOST_DATES, (date) =>
      parseDate(date) === null ? 'must be a date that exists, such as 2026-12-25' : null,
    ),
    ...zoneProblems(zone),
  ];
  if (problems.length > 0) return { problems };
  return { window: { weekdays, hours, except_dates, zone } as unknown as CallingWindow };
}

function listProblems(
  field: string,
  list: unknown,
  least: number,
  most: number,
  whatIsWrong: (element: string) => string | null,
): WindowProblem[] {
  if (list === undefined) return [{ field, message: 'is required' }];
  if (!Array.isArray(list)) return [{ field, message: 'must be a list' }];
  if (list.length < least)
    return [{ field, message: `must have at least ${least} element, or it never opens` }];
  if (list.length > most) return [{ field, message: `must have at most ${most} elements` }];
  return list.flatMap((element: unknown, index) => {
    const message = whatIsWrong(typeof element === 'string' ? element : '');
    return message ? [{ field: `${field}/${index}`, message }] : [];
  });
}

function zoneProblems(zone: unknown): WindowProblem[] {
  if (zone === undefined) return [{ field: '/zone', message: 'is required' }];
  if (zone === 'contact' || (typeof zone === 'string' && isZone(zone))) return [];
  return [{ field: '/zone', message: 'must be contact or a time zone such as America/New_York' }];
}

function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** A window made ready to be asked often. */
export interface Rules {
  hours: readonly Hours[];
  /** The minutes of a day at which it may open or close; the last is midnight. */
  edges: readonly number[];
  /** Whether ranges begin on a day, counted since 1970-01-01. */
  beginsOn(day: number): boolean;
}

/** By the window itself, so that a campaign's window is read once for all of its contacts. */
const remembered = new WeakMap<CallingWindow, Rules>();

/** The rules of a window, which must not be changed afterwards; or what is wrong with one that cannot be read. */
export function rulesOf(window: CallingWindow): Rules | { problems: WindowProblem[] } {
  const known = remembered.get(window);
  if (known) return known;
  const parsed = parseWindow(window);
  if ('problems' in parsed) return parsed;
  const hours = parsed.window.hours.map((range) => parseHours(range)!);
  const edges = hours.flatMap(({ from, to }) => [from, to % MINUTES_A_DAY]).filter((minute) => minute > 0);
  const weekdays = WEEKDAYS.map((day) => parsed.window.weekdays.includes(day));
  const except = new Set(parsed.window.except_dates.map(parseDate));
  const rules = {
    hours,
    edges: [...new Set([...edges, MINUTES_A_DAY])].sort((a, b) => a - b),
    beginsOn: (day: number) => weekdays[weekdayOf(day)] === true && !except.has(day),
  };
  remembered.set(window, rules);
  return rules;
}

/** The place of a day, counted since 1970-01-01 (a Thursday), in `WEEKDAYS`. */
export function weekdayOf(day: number): number {
  return (((day + 3) % 7) + 7) % 7;
}
