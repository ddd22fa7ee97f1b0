/** A day, a time of day, or both, as a field holds it. */
export interface Moment {
  /** To be read in `zone`. A day without a time is its midnight, a time without a day is on 1970-01-01. */
  at: Date;
  /** `UTC` for what names no offset: it stands for the clock where the call is. */
  zone: string;
  hasDay: boolean;
  hasTime: boolean;
}

const PARTS = /^(\d{4}-\d\d-\d\d)?(?:(?:^|(?<=\d)[T ])(.+))?$/;
const TIME = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?(Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?$/;

/**
 * Reads 2026-11-25, 14:30, 14:30:05, and both with a T or a space between them (ISO 8601, RFC 3339); what names an offset
 * or Z is told in `timeZone`. Null for anything else, such as a day that the calendar does not have or 11/12/2026, which
 * people read in two ways.
 */
export function readMoment(text: string, timeZone: string): Moment | null {
  const [, day, time] = PARTS.exec(text) ?? [];
  const [, hour, minute, second, offset] = TIME.exec(time ?? '') ?? [];
  const hasDay = day !== undefined;
  const hasTime = hour !== undefined;
  if ((time !== undefined || !hasDay) && !hasTime) return null;
  // A time alone with an offset is another time on other days of the year.
  if (!hasDay && offset !== undefined) return null;
  const date = (day ?? '1970-01-01').split('-').map(Number);
  const at = new Date(0);
  at.setUTCFullYear(date[0]!, date[1]! - 1, date[2]!);
  if (at.getUTCMonth() !== date[1]! - 1 || at.getUTCDate() !== date[2]) return null;
  at.setUTCHours(Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0));
  if (offset === undefined) return { at, zone: 'UTC', hasDay, hasTime };
  return { at: new Date(at.getTime() - offsetMs(offset)), zone: timeZone, hasDay, hasTime };
}

/** What clock and calendar show at a moment in its zone, as if they were those of UTC. */
export function wallClock({ at, zone }: Moment): Date {
  if (zone === 'UTC') return at;
  // The Swedish write 2026-11-25 14:30:00.
  const shown = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'medium',
    numberingSystem: 'latn',
  });
  return new Date(`${shown.format(at).replace(' ', 'T')}Z`);
}

function offsetMs(offset: string): number {
  if (offset === 'Z') return 0;
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
  return (offset.startsWith('-') ? -minutes : minutes) * 60_000;
}
