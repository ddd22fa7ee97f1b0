import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { readPlainNumber } from './number-plan.js';
import { zonesOf } from './zone.js';

/** E.164: a plus and 7 to 15 digits (ITU-T E.164 section 6). */
export const E164 = /^\+[1-9]\d{6,14}$/;

/** How what stands in place of an erased person's number begins; the contact's id follows. */
export const ERASED = 'erased ';

/**
 * The E.164 form of a phone number as a person wrote it, or null when it is none that can be dialled. `region` (ISO
 * 3166, e.g. `US`) is what a number without a country code is read as; without it, such a number is refused.
 */
export function parseNumber(text: string, region?: string | null): string | null {
  return readNumber(text, region)?.number ?? null;
}

/** The parts of a number in E.164: the digits of its country code and those after it. */
export function partsOf(number: string): { countryCode: string; national: string } {
  const parsed = parsePhoneNumberFromString(number);
  if (!parsed) throw new TypeError(`${number} is no number in E.164`);
  return { countryCode: parsed.countryCallingCode, national: parsed.nationalNumber };
}

/** A phone number as `parseNumber` reads it, and the time zones that it may lie in: none when nothing is known. */
export function readNumber(
  text: string,
  region?: string | null,
): { number: string; zones: readonly string[] } | null {
  if (text.length > 64) return null;
  const plain = readPlainNumber(text, region);
  if (plain) return { number: plain.number, zones: zonesOf(plain.country, plain.national) };
  const parsed = parsePhoneNumberFromString(text, {
    ...(region ? { defaultCountry: region as CountryCode } : {}),
    extract: false,
  });
  if (!parsed?.isValid() || parsed.ext) return null;
  if (!E164.test(parsed.number)) return null;
  return { number: parsed.number, zones: zonesOf(parsed.country, parsed.nationalNumber) };
}

/** Whether `code` is an ISO 3166 region that numbers can be read in. */
export function isRegion(code: string): boolean {
  return isSupportedCountry(code);
}
