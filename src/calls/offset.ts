import { Temporal } from 'temporal-polyfill';

/**
 * A stretch of time in which a zone's clocks keep one distance from UTC: from `from` until just before `until` (ms
 * since the epoch, infinite where there is no change), local time is UTC plus `offset` (ms).
 */
export interface Stretch {
  from: number;
  until: number;
  offset: number;
}

const DAY = 86_400_000;

/** Zone names are case-insensitive, so there is no end of spellings: past this many the memory starts anew. */
const MOST_ZONES = 2000;
const MOST_STRETCHES = 8;

/** What was asked of late: a handful of stretches a zone, as a year has two or three. */
const recent = new Map<string, Stretch[]>();

/** Whether `name` is a zone of the IANA database, such as `America/New_York`; an offset such as `+02:00` is none. */
export function isZone(name: string): boolean {
  if (recent.has(name)) return true;
  // From Node 22 on, Intl takes offsets too.
  if (!/^[A-Za-z][\w+-]*(\/[\w+-]+)*$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The stretch that `instant` (ms since the epoch) lies in, or null when `zone` is not a time zone. */
export function stretchAt(zone: string, instant: number): Stretch | null {
  const known = recent.get(zone);
  for (const stretch of known ?? []) {
    if (instant >= stretch.from && instant < stretch.until) return stretch;
  }
  if (!known && !isZone(zone)) return null;
  const stretch = lookUp(zone, instant);
  if (recent.size >= MOST_ZONES) recent.clear();
  recent.set(zone, [stretch, ...(known ?? [])].slice(0, MOST_STRETCHES));
  return stretch;
}

/** The previous change is looked for from a moment later, or a change at `instant` itself would be passed over. */
function lookUp(zone: string, instant: number): Stretch {
  const at = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
  return {
    from: at.add({ milliseconds: 1 }).getTimeZoneTransition('previous')?.epochMilliseconds ?? -Infinity,
    until: at.getTimeZoneTransition('next')?.epochMilliseconds ?? Infinity,
    offset: at.offsetNanoseconds / 1e6,
  };
}

/** Local date and time: `day` counts days since 1970-01-01 (a Thursday), `minute` those since local midnight. */
export interface LocalTime {
  day: number;
  /** With fractions. */
  minute: number;
}

export function localTime(stretch: Stretch, instant: number): LocalTime {
  const wall = instant + stretch.offset;
  const day = Math.floor(wall / DAY);
  return { day, minute: (wall - day * DAY) / 60_000 };
}
