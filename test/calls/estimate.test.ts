import { describe, expect, it } from 'vitest';
import { estimateEnd } from '../../src/calls/estimate.js';

const from = new Date('2026-11-20T08:00:00Z'); // a Friday
const DAILY = {
  weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'],
  hours: ['09:00-11:00'],
  except_dates: ['2026-11-23'],
  zone: 'contact',
} as const;
const berlin = { zones: ['Europe/Berlin'], contacts: 3600 };
const estimate = (changes: Partial<Parameters<typeof estimateEnd>[0]>) =>
  estimateEnd({ groups: [berlin], window: null, perSecond: 1, from, endAt: null, ...changes });

describe('when a campaign will be through', () => {
  it.each([
    ['at any time', {}, '2026-11-20T09:00:00Z'],
    ['nobody', { groups: [] }, '2026-11-20T08:00:00Z'],
    // 09:00 in Berlin is 08:00 UTC.
    ['in a window that is open', { window: DAILY }, '2026-11-20T09:00:00Z'],
    [
      'in a window that opens',
      { window: DAILY, from: new Date('2026-11-20T00:00:00Z') },
      '2026-11-20T09:00:00Z',
    ],
    // Two hours on Friday, none on Monday (left out), one on Tuesday.
    ['on several days', { window: DAILY, perSecond: 1 / 3 }, '2026-11-24T09:00:00Z'],
    // Berlin is open from 08:00 and London from 09:00: an hour of Berlin's alone, then both.
    [
      'in several zones',
      { window: DAILY, perSecond: 2, groups: [berlin, { zones: ['Europe/London'], contacts: 7200 }] },
      '2026-11-20T10:00:00Z',
    ],
  ] as [string, Parameters<typeof estimate>[0], string][])('%s', (_, changes, end) => {
    const { endsAt, expired } = estimate(changes);
    expect(endsAt!.getTime() - Date.parse(end)).toBeLessThan(1000);
    expect(endsAt!.getTime() - Date.parse(end)).toBeGreaterThan(-1000);
    expect(expired).toBe(0);
  });

  it('tells who will not have been called by its end', () => {
    const endAt = new Date('2026-11-20T08:30:00Z');
    expect(estimate({ endAt })).toEqual({ endsAt: endAt, expired: 1800 });
    expect(estimate({ endAt, window: { ...DAILY, hours: ['12:00-13:00'] } })).toEqual({
      endsAt: endAt,
      expired: 3600,
    });
    expect(estimate({ endAt: new Date('2026-11-20T10:00:00Z') }).expired).toBe(0);
  });

  it('is never when nobody may be called, or nothing is allowed', () => {
    const never = { endsAt: null, expired: 0 };
    expect(estimate({ groups: [{ zones: [], contacts: 1 }], window: DAILY })).toEqual(never);
    expect(estimate({ perSecond: 0 })).toEqual(never);
  });
});
