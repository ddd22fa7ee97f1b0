import { getCountries, getExampleNumber, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, it } from 'vitest';
import { zonesOfAreaCode } from '../../src/calls/area-code.js';
import { readNumber } from '../../src/calls/number.js';
import { isZone } from '../../src/calls/zone.js';

const zonesOfNumber = (e164: string) => readNumber(e164)?.zones ?? [];

describe('the zones that a number may lie in', () => {
  it.each([
    ['+12125550486', 'New York', ['America/New_York']],
    ['+14075550123', 'Orlando', ['America/New_York']],
    ['+16895550123', 'Orlando, or where libphonenumber has it', ['America/Chicago', 'America/New_York']],
    ['+18505550123', 'the Florida Panhandle', ['America/Chicago', 'America/New_York']],
    ['+14485550123', 'the Panhandle, the code laid over it', ['America/Chicago', 'America/New_York']],
    ['+16025550123', 'Phoenix, without summer time', ['America/Phoenix']],
    ['+12085550123', 'Idaho', ['America/Boise', 'America/Los_Angeles']],
    ['+18085550123', 'Hawaii', ['Pacific/Honolulu']],
    ['+14165550123', 'Toronto', ['America/Toronto']],
    [
      '+17095550123',
      'Newfoundland and Labrador',
      ['America/Blanc-Sablon', 'America/Halifax', 'America/St_Johns'],
    ],
    ['+19315550123', 'Tennessee, a county of it in Eastern time', ['America/Chicago', 'America/New_York']],
    ['+19155550123', 'the western end of Texas', ['America/Chicago', 'America/Denver']],
    ['+17875550123', 'Puerto Rico', ['America/Puerto_Rico']],
    ['+18765230123', 'Jamaica', ['America/Jamaica']],
    ['+442079460000', 'London', ['Europe/London']],
    ['+390612345678', 'Rome', ['Europe/Rome']],
    ['+919876543210', 'India', ['Asia/Calcutta']],
    ['+9779841234567', 'Nepal', ['Asia/Katmandu']],
    ['+38344123456', 'Kosovo', ['Europe/Belgrade']],
    ['+24740123', 'Ascension', ['Atlantic/St_Helena']],
  ])('%s is in %s', (number, _where, zones) => {
    expect([...zonesOfNumber(number)].sort()).toEqual(zones);
  });

  it('are all of the country for a mobile number', () => {
    const russia = zonesOfNumber('+79161234567');
    expect(russia).toEqual(
      expect.arrayContaining(['Europe/Kaliningrad', 'Europe/Saratov', 'Asia/Kamchatka', 'Europe/Moscow']),
    );
    expect(russia).not.toContain('Asia/Almaty');
    expect(zonesOfNumber('+34612345678')).toEqual(
      expect.arrayContaining(['Europe/Madrid', 'Atlantic/Canary']),
    );
    expect(zonesOfNumber('+61412345678')).toEqual(
      expect.arrayContaining(['Australia/Perth', 'Australia/Sydney', 'Australia/Lord_Howe']),
    );
  });

  it.each(['+18005550123', '+19005550123', '+15005550123'])(
    'are all of the United States and Canada for %s, which is of no area',
    (number) => {
      expect(zonesOfNumber(number)).toEqual(
        expect.arrayContaining([
          'Pacific/Honolulu',
          'America/New_York',
          'America/Vancouver',
          'America/St_Johns',
        ]),
      );
    },
  );

  it.each(['+881612345678', '+4911111', '+80012345678', '+12125', '+99912345678', '2125550486', '', 'x'])(
    'are none for %j',
    (number) => {
      expect(zonesOfNumber(number)).toEqual([]);
    },
  );

  it('are known, and exist, for a number of every country', () => {
    for (const country of getCountries()) {
      const zones = zonesOfNumber(getExampleNumber(country, examples)!.number);
      expect(zones.length, country).toBeGreaterThan(0);
      expect(zones.filter((zone) => !isZone(zone))).toEqual([]);
    }
  });
});

function regionZones(region: string): readonly string[] {
  const locale = new Intl.Locale('und', { region }) as {
    timeZones?: string[];
    getTimeZones?: () => string[];
  };
  return locale.timeZones ?? locale.getTimeZones!();
}

describe('the area codes', () => {
  it('are all that libphonenumber has of the United States and Canada, each with zones of the same country', () => {
    const unknown: string[] = [];
    const foreign: string[] = [];
    const of = { US: regionZones('US'), CA: regionZones('CA') };
    for (let code = 200; code < 1000; code++) {
      const number = ['2345678', '5551234', '6202345', '4560000']
        .map((rest) => parsePhoneNumberFromString(`+1${code}${rest}`))
        .find((parsed) => parsed?.isValid());
      const country = number?.country;
      const zones = zonesOfAreaCode(String(code));
      if ((country === 'US' || country === 'CA') && number?.getType() === 'FIXED_LINE_OR_MOBILE') {
        if (!zones) unknown.push(String(code));
        for (const zone of zones ?? []) if (!of[country].includes(zone)) foreign.push(`${code} ${zone}`);
      } else if (zones && country) foreign.push(`${code} is ${country}`);
    }
    expect({ unknown, foreign }).toEqual({ unknown: [], foreign: [] });
  });
});
