import fc from 'fast-check';
import { getCountries, getCountryCallingCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, it } from 'vitest';
import { countryOfPlainE164 } from '../../src/calls/number-plan.js';

/** What libphonenumber itself says. */
function byLibrary(text: string): ReturnType<typeof countryOfPlainE164> {
  const parsed = parsePhoneNumberFromString(text, { extract: false });
  if (!parsed?.isValid() || parsed.ext || parsed.number !== text) return null;
  return { country: parsed.country!, national: parsed.nationalNumber };
}

const isPlainE164 = (text: string) => countryOfPlainE164(text) !== null;

const digits = (from: number, to: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: from, maxLength: to }).map((all) => all.join(''));
const country = fc.constantFrom(...getCountries());

describe('the country of a plain number', () => {
  it('takes no number that libphonenumber does not take as it is', () => {
    const any = fc.tuple(country, digits(4, 12)).map(([c, rest]) => `+${getCountryCallingCode(c)}${rest}`);
    fc.assert(
      fc.property(any, (text) => {
        fc.pre(isPlainE164(text));
        expect(countryOfPlainE164(text), text).toEqual(byLibrary(text));
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
          expect(countryOfPlainE164(text), text).toEqual(byLibrary(text));
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

  it.each(['+4930 1100001', '004930110001', '030110001', '+4930110000A', '+49', '', '+80012345678'])(
    'leaves %j to libphonenumber',
    (text) => expect(isPlainE164(text)).toBe(false),
  );
});
