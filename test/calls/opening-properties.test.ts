import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOpen, nextClosing, nextOpening } from '../../src/calls/opening.js';
import { type CallingWindow, WEEKDAYS } from '../../src/calls/window.js';

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

/** With changes of their clocks in every part of the day, at midnight too, and by half an hour. */
const ZONES =
  `America/New_York America/Santiago America/St_Johns Africa/Cairo Africa/Casablanca Asia/Kathmandu
  Asia/Kolkata Australia/Lord_Howe Europe/Berlin Pacific/Apia Pacific/Chatham Pacific/Pago_Pago UTC`.split(
    /\s+/,
  );

/** Hours (UTC) in which clocks of those zones change. */
const CHANGES =
  `2026-02-15T02 2026-03-08T07 2026-03-22T02 2026-03-29T01 2026-04-04T14 2026-04-04T15 2026-04-05T03
  2026-04-23T22 2026-09-06T04 2026-10-03T15 2026-10-25T01 2026-10-29T21 2026-11-01T06`.split(/\s+/);

const clock = fc.nat(1439).map((minute) => new Date(minute * MINUTE).toISOString().slice(11, 16));
const range = fc.tuple(clock, fc.oneof(clock, fc.constant('24:00'))).map((times) => times.join('-'));
const instant = fc.oneof(
  fc
    .tuple(fc.constantFrom(...CHANGES), fc.integer({ min: -2000, max: 2000 }))
    .map(([change, minutes]) => Date.parse(`${change}:00:00Z`) + minutes * MINUTE),
  fc.integer({ min: Date.UTC(2025, 0) / MINUTE, max: Date.UTC(2030, 0) / MINUTE }).map((m) => m * MINUTE),
);
const anySituation = fc
  .record({
    weekdays: fc.subarray([...WEEKDAYS], { minLength: 1 }),
    hours: fc.array(range, { minLength: 1, maxLength: 3 }),
    exceptDays: fc.array(fc.integer({ min: -2, max: 3 }), { maxLength: 3 }),
    zones: fc.array(fc.constantFrom(...ZONES), { minLength: 1, maxLength: 3 }),
    instant,
  })
  .map(({ weekdays, hours, exceptDays, zones, instant }) => {
    const except_dates = exceptDays.map((days) => new Date(instant + days * DAY).toISOString().slice(0, 10));
    return { window: { weekdays, hours, except_dates, zone: 'contact' } as CallingWindow, zones, instant };
  });

const formats = new Map(
  ZONES.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat('en-CA', { timeZone, hourCycle: 'h23', dateStyle: 'short', timeStyle: 'short' }),
  ]),
);

/** What a window means, said once more and slowly, of what Node's own formatter shows. */
function shouldBeOpen(window: CallingWindow, zones: string[], instant: number): boolean {
  return zones.every((zone) => {
    const [date, time] = formats.get(zone)!.format(instant).split(', ') as [string, string];
    const dayBefore = new Date(Date.parse(date) - DAY).toISOString().slice(0, 10);
    const begins = (day: string) =>
      !window.except_dates.includes(day) &&
      window.weekdays.includes(WEEKDAYS[(new Date(day).getUTCDay() + 6) % 7]!);
    return window.hours.some((range) => {
      const [start, end] = range.split('-') as [string, string];
      if (end > start) return begins(date) && time >= start && time < end;
      return (begins(date) && time >= start) || (begins(dayBefore) && time < end);
    });
  });
}

describe('a calling window, whatever it is and wherever', () => {
  it('is open exactly while the clocks of all zones show its hours', () => {
    fc.assert(
      fc.property(anySituation, ({ window, zones, instant }) => {
        for (let t = instant; t < instant + 300 * MINUTE; t += 7 * MINUTE) {
          expect(isOpen(window, zones, new Date(t))).toBe(shouldBeOpen(window, zones, t));
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['opens', nextOpening, true],
    ['closes', nextClosing, false],
  ] as const)('%s next when that is said, and not before', (_what, next, wanted) => {
    fc.assert(
      fc.property(anySituation, ({ window, zones, instant }) => {
        const found = next(window, zones, new Date(instant))?.getTime() ?? Infinity;
        expect(found).toBeGreaterThanOrEqual(instant);
        if (found < Infinity) expect(shouldBeOpen(window, zones, found)).toBe(wanted);
        if (found < Infinity && found > instant) {
          expect(shouldBeOpen(window, zones, found - MINUTE)).toBe(!wanted);
        }
        // Minute by minute for ten hours, then with strides for eight days.
        for (let t = instant; t < Math.min(found, instant + 8 * DAY); ) {
          expect(shouldBeOpen(window, zones, t)).toBe(!wanted);
          t += t - instant < 600 * MINUTE ? MINUTE : 17 * MINUTE;
        }
      }),
      { numRuns: 150 },
    );
  });
});
