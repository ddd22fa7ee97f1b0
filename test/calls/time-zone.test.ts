import { describe, expect, it } from 'vitest';
import { isTimeZone } from '../../src/calls/time-zone.js';

describe('a time zone', () => {
  it.each(['Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Asia/Kolkata', 'Etc/GMT+5', 'UTC'])(
    'is an IANA name: %s',
    (name) => {
      expect(isTimeZone(name)).toBe(true);
      expect(isTimeZone(name)).toBe(true);
    },
  );

  it.each(['', 'Berlin', 'Europe/Berlin ', '+01:00', 'CET+1h', '1', 'Europe/Nowhere', 'x'.repeat(100)])(
    'is not %j',
    (name) => expect(isTimeZone(name)).toBe(false),
  );
});
