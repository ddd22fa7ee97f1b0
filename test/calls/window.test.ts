import { describe, expect, it } from 'vitest';
import { parseWindow } from '../../src/calls/window.js';

const good = { weekdays: ['mon', 'fri'], hours: ['09:00-12:30', '22:00-02:00'], zone: 'contact' };

function problems(value: unknown): Record<string, string> {
  const parsed = parseWindow(value);
  return 'problems' in parsed ? Object.fromEntries(parsed.problems.map((p) => [p.field, p.message])) : {};
}

describe('a calling window from JSON', () => {
  it('is taken as it is, with no dates left out when none are named', () => {
    expect(parseWindow(good)).toEqual({ window: { ...good, except_dates: [] } });
    const full = { ...good, except_dates: ['2028-02-29'], zone: 'Asia/Kathmandu' };
    expect(parseWindow(JSON.parse(JSON.stringify(full)))).toEqual({ window: full });
  });

  it.each(['00:00-24:00', '23:59-00:00', '09:00-09:00', '22:00-24:00'])('may be open %s', (range) => {
    expect(problems({ ...good, hours: [range] })).toEqual({});
  });

  it.each([
    '9:00-12:00',
    '09:00',
    '24:00-09:00',
    '09:00-24:01',
    '09:00-25:00',
    '09:60-12:00',
    '09:00 - 12:00',
    '09:00-12:00-13:00',
    '',
    900,
    null,
  ])('cannot be open %j', (range) => {
    expect(Object.keys(problems({ ...good, hours: ['09:00-10:00', range] }))).toEqual(['/hours/1']);
  });

  it.each(['2026-02-29', '2026-02-30', '2026-13-01', '2026-1-1', '20261225', 'tomorrow', 20261225])(
    'cannot leave out %j',
    (date) => {
      expect(Object.keys(problems({ ...good, except_dates: [date] }))).toEqual(['/except_dates/0']);
    },
  );

  it.each([
    '',
    'Contact',
    'Mars/Base',
    '+02:00',
    'Z',
    '2026-01-01T00:00[Europe/Berlin]',
    ' UTC',
    null,
    ['UTC'],
  ])('cannot keep the clock of %j', (zone) => {
    expect(problems({ ...good, zone })).toEqual({
      '/zone': 'must be contact or a time zone such as America/New_York',
    });
  });

  it('names every field that is wrong, each with what is wrong with it', () => {
    const value = { weekdays: ['mon', 'Tue', 3], hours: [], exceptdates: ['2026-12-25'], 'a/~b': 1 };
    expect(problems(value)).toEqual({
      '/exceptdates': 'is not known',
      '/a~1~0b': 'is not known',
      '/weekdays/1': 'must be one of mon, tue, wed, thu, fri, sat, sun',
      '/weekdays/2': 'must be one of mon, tue, wed, thu, fri, sat, sun',
      '/hours': 'must have at least 1 element, or it never opens',
      '/zone': 'is required',
    });
    expect(problems({})).toEqual({
      '/weekdays': 'is required',
      '/hours': 'is required',
      '/zone': 'is required',
    });
    expect(problems({ ...good, hours: '09:00-12:00' })).toEqual({ '/hours': 'must be a list' });
    expect(problems({ ...good, hours: Array(25).fill('09:00-12:00') })).toEqual({
      '/hours': 'must have at most 24 elements',
    });
  });

  it.each([null, 'mon 9-12', 7, []])('is an object, not %j', (value) => {
    expect(problems(value)).toEqual({ '/': 'must be an object' });
  });
});
