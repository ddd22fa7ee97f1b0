import { describe, expect, it } from 'vitest';
import { isOpen, nextClosing, nextOpening, whyClosed } from '../../src/calls/opening.js';
import { type CallingWindow, WEEKDAYS } from '../../src/calls/window.js';

const NEW_YORK = 'America/New_York';
const LORD_HOWE = 'Australia/Lord_Howe';
const windowOf = (over: Partial<CallingWindow> = {}): CallingWindow => ({
  weekdays: WEEKDAYS,
  hours: ['09:00-21:00'],
  except_dates: [],
  zone: 'contact',
  ...over,
});
const hours = (...ranges: string[]) => windowOf({ hours: ranges });
const at = (text: string) => new Date(text);
const iso = (date: Date | null) => date?.toISOString().replace('.000Z', 'Z') ?? null;

/** From `from` on: when it opens and closes by turns, the state at `from` first. */
function turns(window: CallingWindow, zones: string[], from: string, count: number): (string | null)[] {
  const seen: (string | null)[] = [];
  let open = false;
  let instant: Date | null = at(from);
  while (seen.length < count && instant) {
    instant = open ? nextClosing(window, zones, instant) : nextOpening(window, zones, instant);
    open = !open;
    seen.push(iso(instant));
  }
  return seen;
}

describe('a calling window opens and closes', () => {
  it.each([
    ['on an ordinary day', NEW_YORK, '2026-06-10T00:00:00Z', '2026-06-10T00:00:00Z', '2026-06-10T01:00:00Z'],
    ['later that day', NEW_YORK, '2026-06-10T01:00:00Z', '2026-06-10T13:00:00Z', '2026-06-11T01:00:00Z'],
    [
      'after the clocks go forward',
      NEW_YORK,
      '2026-03-08T05:00:00Z',
      '2026-03-08T13:00:00Z',
      '2026-03-09T01:00:00Z',
    ],
    [
      'the day before they do',
      NEW_YORK,
      '2026-03-07T05:00:00Z',
      '2026-03-07T14:00:00Z',
      '2026-03-08T02:00:00Z',
    ],
    [
      'after the clocks go back',
      NEW_YORK,
      '2026-11-01T04:00:00Z',
      '2026-11-01T14:00:00Z',
      '2026-11-02T02:00:00Z',
    ],
    [
      'in summer time',
      'Europe/Berlin',
      '2026-03-29T00:00:00Z',
      '2026-03-29T07:00:00Z',
      '2026-03-29T19:00:00Z',
    ],
    [
      'in winter time',
      'Europe/Berlin',
      '2026-10-25T00:00:00Z',
      '2026-10-25T08:00:00Z',
      '2026-10-25T20:00:00Z',
    ],
    [
      '45 minutes off',
      'Asia/Kathmandu',
      '2026-06-10T00:00:00Z',
      '2026-06-10T03:15:00Z',
      '2026-06-10T15:15:00Z',
    ],
    [
      '30 minutes off',
      'Asia/Kolkata',
      '2026-06-10T00:00:00Z',
      '2026-06-10T03:30:00Z',
      '2026-06-10T15:30:00Z',
    ],
    [
      'before half an hour is gained',
      LORD_HOWE,
      '2026-04-03T14:00:00Z',
      '2026-04-03T22:00:00Z',
      '2026-04-04T10:00:00Z',
    ],
    ['after it', LORD_HOWE, '2026-04-04T14:00:00Z', '2026-04-04T22:30:00Z', '2026-04-05T10:30:00Z'],
    ['after it is lost', LORD_HOWE, '2026-10-03T14:00:00Z', '2026-10-03T22:00:00Z', '2026-10-04T10:00:00Z'],
  ])('%s, in %s', (_when, zone, from, opens, closes) => {
    expect(turns(hours('09:00-21:00'), [zone], from, 2)).toEqual([opens, closes]);
    expect(turns(windowOf({ zone }), ['Asia/Tokyo'], from, 2)).toEqual([opens, closes]);
  });

  it('to the millisecond: at its start it is open, at its end closed', () => {
    const open = (text: string) => isOpen(windowOf(), [NEW_YORK], at(text));
    expect(open('2026-06-10T12:59:59.999Z')).toBe(false);
    expect(open('2026-06-10T13:00:00.000Z')).toBe(true);
    expect(open('2026-06-11T00:59:59.999Z')).toBe(true);
    expect(open('2026-06-11T01:00:00.000Z')).toBe(false);
    expect(iso(nextOpening(windowOf(), [NEW_YORK], at('2026-06-10T12:59:59.999Z')))).toBe(
      '2026-06-10T13:00:00Z',
    );
  });

  it('does not open in an hour that the clocks skip, and opens after it when the range lasts longer', () => {
    const from = '2026-03-08T06:00:00Z';
    expect(turns(hours('02:15-02:45'), [NEW_YORK], from, 1)).toEqual(['2026-03-09T06:15:00Z']);
    expect(turns(hours('02:15-03:30'), [NEW_YORK], from, 2)).toEqual([
      '2026-03-08T07:00:00Z',
      '2026-03-08T07:30:00Z',
    ]);
    expect(turns(hours('02:10-02:40'), [LORD_HOWE], '2026-10-03T14:00:00Z', 2)).toEqual([
      '2026-10-03T15:30:00Z',
      '2026-10-03T15:40:00Z',
    ]);
  });

  it('opens twice in an hour that comes twice, and only while the clock shows it', () => {
    expect(turns(hours('01:15-01:45'), [NEW_YORK], '2026-11-01T04:00:00Z', 4)).toEqual([
      '2026-11-01T05:15:00Z',
      '2026-11-01T05:45:00Z',
      '2026-11-01T06:15:00Z',
      '2026-11-01T06:45:00Z',
    ]);
    expect(turns(hours('01:30-03:00'), [NEW_YORK], '2026-11-01T04:00:00Z', 4)).toEqual([
      '2026-11-01T05:30:00Z',
      '2026-11-01T06:00:00Z',
      '2026-11-01T06:30:00Z',
      '2026-11-01T08:00:00Z',
    ]);
    expect(turns(hours('01:40-01:50'), [LORD_HOWE], '2026-04-04T14:00:00Z', 4)).toEqual([
      '2026-04-04T14:40:00Z',
      '2026-04-04T14:50:00Z',
      '2026-04-04T15:10:00Z',
      '2026-04-04T15:20:00Z',
    ]);
  });

  it('runs over midnight on from the day on which it begins', () => {
    const fridays = windowOf({ weekdays: ['fri'], hours: ['22:00-02:00'] });
    expect(turns(fridays, ['Europe/Rome'], '2026-06-08T00:00:00Z', 3)).toEqual([
      '2026-06-12T20:00:00Z',
      '2026-06-13T00:00:00Z',
      '2026-06-19T20:00:00Z',
    ]);
    const mondays = windowOf({ weekdays: ['sun'], hours: ['23:00-01:00'] });
    expect(isOpen(mondays, ['UTC'], at('2026-06-08T00:30:00Z'))).toBe(true);
    expect(isOpen(mondays, ['UTC'], at('2026-06-07T00:30:00Z'))).toBe(false);
  });

  it('never closes when it is open around the clock, and closes at midnight when it is for one day', () => {
    for (const all of ['00:00-24:00', '00:00-00:00', '09:00-09:00']) {
      expect(nextClosing(hours(all), [NEW_YORK], at('2026-06-10T00:00:00Z'))).toBeNull();
    }
    const wednesdays = windowOf({ weekdays: ['wed'], hours: ['00:00-24:00'] });
    expect(turns(wednesdays, ['UTC'], '2026-06-09T12:00:00Z', 2)).toEqual([
      '2026-06-10T00:00:00Z',
      '2026-06-11T00:00:00Z',
    ]);
  });

  it('leaves dates out by the local calendar, and with them what begins on them', () => {
    const but = (...except_dates: string[]) => windowOf({ except_dates, hours: ['20:00-02:00'] });
    expect(turns(but('2026-12-25'), ['UTC'], '2026-12-24T12:00:00Z', 3)).toEqual([
      '2026-12-24T20:00:00Z',
      '2026-12-25T02:00:00Z',
      '2026-12-26T20:00:00Z',
    ]);
    expect(turns(but('2026-12-24', '2026-12-25'), [NEW_YORK], '2026-12-24T12:00:00Z', 1)).toEqual([
      '2026-12-27T01:00:00Z',
    ]);
  });
});

describe('several zones', () => {
  it('are open only where all of them are', () => {
    const coasts = [NEW_YORK, 'America/Los_Angeles'];
    expect(turns(windowOf(), coasts, '2026-06-10T04:00:00Z', 3)).toEqual([
      '2026-06-10T16:00:00Z',
      '2026-06-11T01:00:00Z',
      '2026-06-11T16:00:00Z',
    ]);
    expect(isOpen(windowOf(), coasts, at('2026-06-10T15:00:00Z'))).toBe(false);
    expect(isOpen(windowOf(), coasts, at('2026-06-11T02:00:00Z'))).toBe(false);
  });

  it('may have no hour in common, and then never open', () => {
    const apart = ['UTC', 'Asia/Tokyo'];
    expect(nextOpening(hours('09:00-17:00'), apart, at('2026-06-10T00:00:00Z'))).toBeNull();
    expect(whyClosed(hours('09:00-17:00'), apart, at('2026-06-10T00:00:00Z'))).toBe(
      'outside its window, which is not open within 400 days in all of UTC, Asia/Tokyo at once',
    );
  });
});
