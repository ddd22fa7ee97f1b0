import { dateOf, MINUTES_A_DAY, timeOf } from './hours.js';
import { isZone, localTime, type Stretch, stretchAt } from './offset.js';
import { type CallingWindow, type Rules, rulesOf, WEEKDAYS, weekdayOf } from './window.js';

const DAY = 86_400_000;

/** How far ahead is looked: over a year, so that every weekday, date and clock change comes by. */
const HORIZON_DAYS = 400;

/**
 * Whether calls may be placed at `instant`: only if the window is open in every one of `zones`, those that the contact
 * may be in. A window with a zone of its own asks that zone instead and leaves `zones` aside. Without a zone, with one
 * that does not exist, or with a window that cannot be read, the answer is no.
 */
export function isOpen(window: CallingWindow, zones: readonly string[], instant: Date): boolean {
  const rules = rulesOf(window);
  if ('problems' in rules) return false;
  const at = instant.getTime();
  const asked = zonesAsked(window, zones);
  return asked.length > 0 && asked.every((zone) => openFor(rules, stretchAt(zone, at), at));
}

/**
 * The earliest instant, `instant` itself or later, at which `isOpen` holds; null when there is none within 400 days,
 * which is never.
 */
export function nextOpening(window: CallingWindow, zones: readonly string[], instant: Date): Date | null {
  return next(window, zones, instant, true);
}

/**
 * The earliest instant, `instant` itself or later, at which `isOpen` does not hold; null when it stays open for 400
 * days. `instant` itself where it is never open.
 */
export function nextClosing(window: CallingWindow, zones: readonly string[], instant: Date): Date | null {
  return next(window, zones, instant, false);
}

/** Why `isOpen` does not hold, as the end of a sentence about a contact; null when it does. */
export function whyClosed(window: CallingWindow, zones: readonly string[], instant: Date): string | null {
  const rules = rulesOf(window);
  if ('problems' in rules) {
    const [{ field, message } = { field: '/', message: 'is wrong' }] = rules.problems;
    return `its window cannot be read: ${field} ${message}`;
  }
  const asked = zonesAsked(window, zones);
  if (asked.length === 0) return "the contact's time zone is not known";
  const unknown = asked.find((zone) => !isZone(zone));
  if (unknown !== undefined) return `there is no time zone "${unknown}"`;
  const opening = nextOpening(window, zones, instant);
  if (!opening)
    return `outside its window, which is not open within ${HORIZON_DAYS} days in ${zonesNamed(asked)}`;
  if (opening.getTime() === instant.getTime()) return null;
  // The zone that is waited for longest: the one still closed just before.
  const before = opening.getTime() - 1;
  const last = asked.find((zone) => !openFor(rules, stretchAt(zone, before), before))!;
  return `outside its window until ${clockIn(last, opening, instant)} (${last})`;
}

function zonesAsked(window: CallingWindow, zones: readonly string[]): readonly string[] {
  return window.zone === 'contact' ? zones : [window.zone];
}

function openFor(rules: Rules, stretch: Stretch | null, instant: number): boolean {
  if (!stretch) return false;
  const { day, minute } = localTime(stretch, instant);
  const today = rules.beginsOn(day);
  const yesterday = rules.beginsOn(day - 1);
  const sinceYesterday = minute + MINUTES_A_DAY;
  return rules.hours.some(
    ({ from, to }) =>
      (today && from <= minute && minute < to) ||
      (yesterday && from <= sinceYesterday && sinceYesterday < to),
  );
}

/** Goes from edge to edge: at each, to the next at which the answer may change. */
function next(window: CallingWindow, zones: readonly string[], instant: Date, wanted: boolean): Date | null {
  const rules = rulesOf(window);
  const asked = zonesAsked(window, zones);
  if ('problems' in rules || asked.length === 0 || !asked.every(isZone)) return wanted ? null : instant;
  const horizon = instant.getTime() + HORIZON_DAYS * DAY;
  for (let at = instant.getTime(); at <= horizon; ) {
    const { open, until } = stateOfAll(rules, asked, at);
    if (open === wanted) return new Date(at);
    at = until;
  }
  return null;
}

/** Whether all zones are open at `at` (ms), and until when that cannot change. The first that is closed settles it. */
function stateOfAll(rules: Rules, zones: readonly string[], at: number): { open: boolean; until: number } {
  let until = Infinity;
  for (const zone of zones) {
    const state = stateOf(rules, stretchAt(zone, at)!, at);
    if (!state.open) return state;
    until = Math.min(until, state.until);
  }
  return { open: true, until };
}

/** The same of one zone; what may change it is the next edge of the hours, midnight, or a change of its clocks. */
function stateOf(rules: Rules, stretch: Stretch, at: number): { open: boolean; until: number } {
  const { minute } = localTime(stretch, at);
  const edge = rules.edges.find((e) => e > minute)!;
  const until = Math.min(at + Math.round((edge - minute) * 60_000), stretch.until);
  return { open: openFor(rules, stretch, at), until };
}

/** `Mon 09:00`, with the date where the weekday alone would not tell which week. */
function clockIn(zone: string, opening: Date, now: Date): string {
  const { day, minute } = localTime(stretchAt(zone, opening.getTime())!, opening.getTime());
  const weekday = WEEKDAYS[weekdayOf(day)]!;
  const name = weekday[0]!.toUpperCase() + weekday.slice(1);
  const far = opening.getTime() - now.getTime() > 6 * DAY;
  return `${name}${far ? ` ${dateOf(day)}` : ''} ${timeOf(minute)}`;
}

function zonesNamed(zones: readonly string[]): string {
  return zones.length === 1 ? zones[0]! : `all of ${zones.join(', ')} at once`;
}
