import { getCountries, getCountryCallingCode, isSupportedCountry, Metadata } from 'libphonenumber-js/max';

/** What libphonenumber's metadata says of one country; its types leave these methods out. */
interface Plan {
  selectNumberingPlan(country: string): void;
  nationalNumberPattern(): string;
  leadingDigits(): string | undefined;
  type(name: string): { pattern(): string; possibleLengths(): number[] | undefined } | undefined;
  numberingPlan: {
    callingCode(): string;
    IDDPrefix(): string | undefined;
    nationalPrefixForParsing(): string | undefined;
  };
  getCountryCodesForCallingCode(code: string): string[] | undefined;
}

/** A country's rules with their patterns compiled, which libphonenumber does anew for each number. */
interface CountryRules {
  /** ISO 3166. */
  country: string;
  leadingDigits: RegExp | null;
  whole: RegExp;
  types: { pattern: RegExp; lengths: number[] | undefined }[];
}

interface CallingCode {
  /** What libphonenumber would take off the front of a national number, or put other digits in place of. */
  prefix: RegExp | null;
  countries: CountryRules[];
}

const TYPES = [
  'FIXED_LINE',
  'MOBILE',
  'PREMIUM_RATE',
  'TOLL_FREE',
  'SHARED_COST',
  'VOIP',
  'PERSONAL_NUMBER',
  'PAGER',
  'UAN',
  'VOICEMAIL',
];

/** How numbers without a country code are written in a region. */
interface Region {
  callingCode: string;
  /** What comes before a country code there, instead of a plus. */
  abroad: RegExp | null;
  /** The trunk prefix, or what else libphonenumber would take off. */
  prefix: RegExp | null;
  whole: RegExp;
}

/** A valid number. */
export interface PlainNumber {
  /** E.164. */
  number: string;
  /** ISO 3166. */
  country: string;
  /** `number` without its country code. */
  national: string;
}

/** Digits as people group them, `+1 (415) 555-2671` or `0151/2345 6789`: libphonenumber drops all but the digits, too. */
const GROUPED = /^\+?[\d ()./-]+$/;
const E164 = /^\+[1-9]\d{6,14}$/;

/**
 * The number that libphonenumber makes of `text`, by its own metadata and in its own order (parse.js, extractNationalNumber.js,
 * getCountryByNationalNumber.js, getNumberType.js) but ten to twenty times as fast: lists of a million are mostly made of such
 * numbers. Numbers without a country code are read in `region` (ISO 3166). Null means only that libphonenumber must be asked.
 */
export function readPlainNumber(text: string, region?: string | null): PlainNumber | null {
  if (!GROUPED.test(text)) return null;
  const digits = text.replace(/[ ()./-]+/g, '');
  if (digits.startsWith('+')) return readInternational(digits);
  return region ? readNational(digits, regionOf(region)) : null;
}

function readInternational(number: string): PlainNumber | null {
  if (!E164.test(number)) return null;
  for (let digits = 1; digits <= 3; digits += 1) {
    const code = callingCodes.get(number.slice(1, 1 + digits));
    if (!code) continue;
    const national = number.slice(1 + digits);
    const country = code.prefix?.test(national) ? null : countryOf(code.countries, national);
    return country === null ? null : { number, country, national };
  }
  return null;
}

/** Where the rest fits the region as a whole, libphonenumber takes neither a country code nor less than the prefix off it. */
function readNational(digits: string, region: Region | null): PlainNumber | null {
  if (!region || region.abroad?.test(digits)) return null;
  const [prefix = '', ...groups] = region.prefix?.exec(digits) ?? [];
  if (groups.some((group) => group !== undefined)) return null; // it may put other digits in their place
  const national = digits.slice(prefix.length);
  if (!region.whole.test(national)) return null;
  const number = `+${region.callingCode}${national}`;
  const country = countryOf(callingCodes.get(region.callingCode)!.countries, national);
  return country === null || !E164.test(number) ? null : { number, country, national };
}

/** The country of a valid number; null when it is not valid. */
function countryOf(countries: readonly CountryRules[], national: string): string | null {
  const valid = (rules: CountryRules) => (isOfSomeType(rules, national) ? rules.country : null);
  if (countries.length === 1) return valid(countries[0]!);
  for (const rules of countries) {
    if (rules.leadingDigits) {
      if (rules.leadingDigits.test(national)) return valid(rules);
    } else if (valid(rules)) return rules.country;
  }
  return null;
}

function isOfSomeType({ whole, types }: CountryRules, national: string): boolean {
  return (
    whole.test(national) &&
    types.some(
      ({ pattern, lengths }) => (!lengths || lengths.includes(national.length)) && pattern.test(national),
    )
  );
}

const callingCodes = new Map<string, CallingCode>();
for (const code of new Set(getCountries().map((country) => getCountryCallingCode(country)))) {
  callingCodes.set(code, rulesOf(code));
}

const regions = new Map<string, Region | null>();

/** Null when numbers cannot be read in it. */
function regionOf(code: string): Region | null {
  let region = regions.get(code);
  if (region === undefined) {
    region = isSupportedCountry(code) ? rulesOfRegion(code) : null;
    regions.set(code, region);
  }
  return region;
}

function rulesOfRegion(code: string): Region {
  const plan = new Metadata() as unknown as Plan;
  plan.selectNumberingPlan(code);
  const { numberingPlan } = plan;
  return {
    callingCode: numberingPlan.callingCode(),
    abroad: atStart(numberingPlan.IDDPrefix()),
    prefix: atStart(numberingPlan.nationalPrefixForParsing()),
    whole: wholly(plan.nationalNumberPattern()),
  };
}

function rulesOf(code: string): CallingCode {
  const plan = new Metadata() as unknown as Plan;
  const countries = plan.getCountryCodesForCallingCode(code) ?? [];
  plan.selectNumberingPlan(code);
  return {
    prefix: atStart(plan.numberingPlan.nationalPrefixForParsing()),
    countries: countries.map((country) => {
      plan.selectNumberingPlan(country);
      return rulesOfCountry(country, plan);
    }),
  };
}

function rulesOfCountry(country: string, plan: Plan): CountryRules {
  const types = TYPES.flatMap((name) => plan.type(name) ?? []).filter((type) => type.pattern());
  return {
    country,
    leadingDigits: atStart(plan.leadingDigits()),
    whole: wholly(plan.nationalNumberPattern()),
    types: types.map((type) => ({ pattern: wholly(type.pattern()), lengths: type.possibleLengths() })),
  };
}

function atStart(pattern: string | undefined): RegExp | null {
  return pattern ? new RegExp(`^(?:${pattern})`) : null;
}

function wholly(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}
