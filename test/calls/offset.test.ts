import { describe, expect, it } from 'vitest';
import { isZone, localTime, stretchAt } from '../../src/calls/offset.js';

const HOUR = 3_600_000;
const at = (text: string) => Date.parse(text);

/** What the clock shows there by Node's own formatter, as milliseconds of UTC. */
function shownIn(zone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return (instant) => at(`${format.format(instant).replace(', ', 'T')}Z`);
}

describe('the distance of a zone from UTC', () => {
  it.each([
    ['America/New_York', '2026-03-08T07:00:00Z', -5, -4],
    ['America/New_York', '2026-11-01T06:00:00Z', -4, -5],
    ['Europe/Berlin', '2026-03-29T01:00:00Z', 1, 2],
    ['Europe/Berlin', '2026-10-25T01:00:00Z', 2, 1],
    ['Australia/Lord_Howe', '2026-04-04T15:00:00Z', 11, 10.5],
    ['Australia/Lord_Howe', '2026-10-03T15:30:00Z', 10.5, 11],
    ['Africa/Casablanca', '2026-02-15T02:00:00Z', 1, 0],
    ['Africa/Casablanca', '2026-03-22T02:00:00Z', 0, 1],
  ])('changes in %s at %s from %d to %d hours', (zone, text, before, after) => {
    const change = at(text);
    expect(stretchAt(zone, change - 1)).toMatchObject({ offset: before * HOUR, until: change });
    expect(stretchAt(zone, change)).toMatchObject({ offset: after * HOUR, from: change });
  });

  it('does not change in zones without summer time', () => {
    const kathmandu = stretchAt('Asia/Kathmandu', at('2026-06-01T00:00:00Z'));
    expect(kathmandu).toMatchObject({ offset: 5.75 * HOUR, until: Infinity });
    expect(stretchAt('UTC', 0)).toEqual({ from: -Infinity, until: Infinity, offset: 0 });
  });

  it('agrees with what Node shows, in every zone and twice a day for three years', () => {
    const wrong: string[] = [];
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      const shown = shownIn(zone);
      for (let t = at('2026-01-01T00:00:00Z'); t < at('2029-01-01T00:00:00Z'); t += 11.9 * HOUR) {
        const stretch = stretchAt(zone, t)!;
        const inside = t >= stretch.from && t < stretch.until;
        if (!inside || shown(t) !== t + stretch.offset) wrong.push(`${zone} ${new Date(t).toISOString()}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 120_000);
});

describe('a local time', () => {
  it('counts days and minutes on both sides of UTC midnight', () => {
    const instant = at('1970-01-02T02:30:30Z');
    expect(localTime(stretchAt('America/New_York', instant)!, instant)).toEqual({ day: 0, minute: 1290.5 });
    expect(localTime(stretchAt('Asia/Kolkata', instant)!, instant)).toEqual({ day: 1, minute: 480.5 });
    const before = at('1969-12-31T23:00:00Z');
    expect(localTime(stretchAt('UTC', before)!, before)).toEqual({ day: -1, minute: 1380 });
  });
});

describe('a time zone', () => {
  it('is known by its IANA name, also an old one', () => {
    for (const zone of [
      'Europe/Rome',
      'Asia/Calcutta',
      'America/Argentina/Buenos_Aires',
      'UTC',
      'Etc/GMT+5',
    ]) {
      expect(isZone(zone)).toBe(true);
    }
  });

  it.each(['', 'Europe', 'Europe/Atlantis', '+02:00', '02:00', 'Z', 'Europe/Rome ', 'x'.repeat(5000)])(
    'is not %j',
    (name) => {
      expect(isZone(name)).toBe(false);
      expect(stretchAt(name, 0)).toBeNull();
    },
  );
});
