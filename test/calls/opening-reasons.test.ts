import { describe, expect, it } from 'vitest';
import { isOpen, nextClosing, nextOpening, whyClosed } from '../../src/calls/opening.js';
import { type CallingWindow, WEEKDAYS } from '../../src/calls/window.js';

const NEW_YORK = 'America/New_York';
const windowOf = (over: Partial<CallingWindow> = {}): CallingWindow => ({
  weekdays: WEEKDAYS,
  hours: ['09:00-21:00'],
  except_dates: [],
  zone: 'contact',
  ...over,
});
const hours = (...ranges: string[]) => windowOf({ hours: ranges });
const at = (text: string) => new Date(text);

describe('a window that does not open', () => {
  const noon = at('2026-06-10T16:00:00Z');
  it.each([
    ['no zone', windowOf(), [], "the contact's time zone is not known"],
    ['a zone that does not exist', windowOf(), [NEW_YORK, 'Mars/Base'], 'there is no time zone "Mars/Base"'],
    ['an offset for a zone', windowOf(), ['-04:00'], 'there is no time zone "-04:00"'],
    [
      'a broken zone of its own',
      windowOf({ zone: 'Mars/Base' }),
      [NEW_YORK],
      'its window cannot be read: /zone must be contact or a time zone such as America/New_York',
    ],
    [
      'hours that cannot be read',
      hours('9 to 5'),
      [NEW_YORK],
      'its window cannot be read: /hours/0 must be two times of day from 00:00 to 24:00, such as 09:00-17:30',
    ],
  ])('has %s', (_what, window, zones, why) => {
    expect(isOpen(window, zones, noon)).toBe(false);
    expect(nextOpening(window, zones, noon)).toBeNull();
    expect(nextClosing(window, zones, noon)).toEqual(noon);
    expect(whyClosed(window, zones, noon)).toBe(why);
  });

  it('is said to open at the local time of the zone that is waited for longest', () => {
    const weekdays = windowOf({ weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'] });
    const said = (window: CallingWindow, zones: string[], from: string) => whyClosed(window, zones, at(from));
    expect(said(weekdays, [NEW_YORK], '2026-06-06T16:00:00Z')).toBe(
      'outside its window until Mon 09:00 (America/New_York)',
    );
    expect(said(weekdays, [NEW_YORK, 'America/Los_Angeles'], '2026-06-10T14:00:00Z')).toBe(
      'outside its window until Wed 09:00 (America/Los_Angeles)',
    );
    expect(said(hours('02:30-05:00'), [NEW_YORK], '2026-03-08T06:00:00Z')).toBe(
      'outside its window until Sun 03:00 (America/New_York)',
    );
    expect(said(windowOf({ weekdays: ['sat'] }), ['UTC'], '2026-06-06T22:00:00Z')).toBe(
      'outside its window until Sat 2026-06-13 09:00 (UTC)',
    );
    expect(said(weekdays, [NEW_YORK], '2026-06-10T16:00:00Z')).toBeNull();
  });
});
