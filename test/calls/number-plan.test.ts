import fc from 'fast-check';
import {
  type CountryCode,
  getCountries,
  getCountryCallingCode,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, it } from 'vitest';
import { readPlainNumber } from '../../src/calls/number-plan.js';

/** What libphonenumber itself says. */
function byLibrary(text: string, region?: CountryCode): ReturnType<typeof readPlainNumber> {
  const parsed = parsePhoneNumberFromString(text, {
    ...(region ? { defaultCountry: region } : {}),
    extract: false,
  });
  if (!parsed?.isValid() || parsed.ext || !/^\+[1-9]\d{6,14}$/.test(parsed.number)) return null;
  return { number: parsed.number, country: parsed.country!, national: parsed.nationalNumber };
}

const isPlainE164 = (text: string) => readPlainNumber(text) !== null;

const digits = (from: number, to: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: from, maxLength: to }).map((all) => all.join(''));
const country = fc.constantFrom(...getCountries());

describe('the country of a plain number', () => {
  it('takes no number that libphonenumber does not take as it is', () => {
    const any = fc.tuple(country, digits(4, 12)).map(([c, rest]) => `+${getCountryCallingCode(c)}${rest}`);
    fc.assert(
      fc.property(any, (text) => {
        fc.pre(isPlainE164(text));
        expect(readPlainNumber(text), text).toEqual(byLibrary(text));
      }),
      { numRuns: 5000, maxSkipsPerRun: 1000 },
    );
  });

  it('says of numbers near real ones what libphonenumber says, unless they begin with a prefix', () => {
    const near = fc.tuple(country, digits(0, 4)).map(([c, end]) => {
      const real = `+${getCountryCallingCode(c)}${examples[c]}`;
      return real.slice(0, real.length - end.length) + end;
    });
    let taken = 0;
    let left = 0;
    fc.assert(
      fc.property(near, (text) => {
        if (isPlainE164(text)) {
          taken += 1;
          expect(readPlainNumber(text), text).toEqual(byLibrary(text));
        } else if (byLibrary(text)) left += 1;
      }),
      { numRuns: 20_000 },
    );
    // Those it leaves to libphonenumber cost time and nothing else.
    expect(taken).toBeGreaterThan(left * 5);
  });

  it('takes the real number of almost every country', () => {
    const real = getCountries().map((c) => `+${getCountryCallingCode(c)}${examples[c]}`);
    expect(real.filter(isPlainE164).length).toBeGreaterThan(real.length * 0.8);
  });

  it('leaves a number that begins like one with a national prefix, which libphonenumber takes off', () => {
    const text = '+3758109840401';
    expect(parsePhoneNumberFromString(text, { extract: false })?.number).not.toBe(text);
    expect(isPlainE164(text)).toBe(false);
  });

  it.each(['004930110001', '030110001', '+4930110000A', '+49', '', '+80012345678'])(
    'leaves %j to libphonenumber',
    (text) => expect(isPlainE164(text)).toBe(false),
  );
});

describe('a number without a country code', () => {
  const prefixes = [
    '',
    '',
    '0',
    '0',
    '1',
    '8',
    '06',
    '01',
    '00',
    '011',
    '15',
    '000',
    '+',
    '+0',
    'own',
    'own0',
    '+own',
    '00own',
  ];

  /** Numbers near real ones of a country, or any, behind what is a prefix somewhere, grouped anyhow. */
  const written = fc
    .tuple(country, fc.constantFrom(...prefixes), digits(0, 9), fc.boolean(), fc.infiniteStream(fc.nat(31)))
    .map(([c, prefix, end, anyNumber, chances]) => {
      const real = String(examples[c]);
      const number = anyNumber
        ? `${end}${end.slice(0, 3)}`
        : real.slice(0, Math.max(0, real.length - end.length)) + end;
      const all = prefix.replace('own', getCountryCallingCode(c)) + number;
      const text = [...all].map((char) => char + (' -./()'[chances.next().value!] ?? '')).join('');
      return { text, c };
    });

  it('is what libphonenumber says, in its region and in any other', () => {
    let taken = 0;
    fc.assert(
      fc.property(written, fc.option(country, { freq: 1 }), ({ text, c }, other) => {
        const region = other ?? c;
        const number = readPlainNumber(text, region);
        if (!number) return;
        taken += 1;
        expect(number, `${text} in ${region}`).toEqual(byLibrary(text, region));
      }),
      { numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(1000);
  });

  it('is taken as libphonenumber takes it, of almost every country as people there write it', () => {
    const lost = getCountries().filter((c) => {
      const text = parsePhoneNumberFromString(`+${getCountryCallingCode(c)}${examples[c]}`)!.formatNational();
      const number = readPlainNumber(text, c);
      if (number) expect(number, `${text} in ${c}`).toEqual(byLibrary(text, c));
      return number === null;
    });
    expect(lost.length).toBeLessThan(getCountries().length * 0.1);
  });

  it.each([
    ['0151 23456789', 'DE', '+4915123456789'],
    ['(0151) 234/567-89', 'DE', '+4915123456789'],
    ['(415) 555-2671', 'US', '+14155552671'],
    ['1 415 555 2671', 'US', '+14155552671'],
    ['06 1234 5678', 'IT', '+390612345678'],
    ['416-555-2671', 'US', '+14165552671'],
    ['+49 (151) 234.567.89', 'US', '+4915123456789'],
  ])('%j in %s is %s', (text, region, number) => {
    expect(readPlainNumber(text, region)?.number).toBe(number);
    expect(byLibrary(text, region as CountryCode)?.number).toBe(number);
  });

  it.each([
    ['0049 151 23456789', 'DE', 'begins with what calls abroad'],
    ['0 11 15 2345 6789', 'AR', 'has its digits moved'],
    ['5552671', 'US', 'lacks its area code'],
    ['01991234562', 'IL', 'begins with what calls abroad, and would be valid behind the trunk prefix'],
    ['3584951/36', 'AX', 'may begin with its country code'],
    ['0151 23456789', 'XX', 'is of no region'],
    ['0151 23456789', null, 'is of no region'],
    ['0151 23456789 ext. 5', 'DE', 'has an extension'],
  ])('%j in %s is left to libphonenumber: it %s', (text, region, _why) => {
    expect(readPlainNumber(text, region)).toBeNull();
  });
});
