import { getCountries, getCountryCallingCode, Metadata } from 'libphonenumber-js/max';

/** What libphonenumber's metadata says of one country; its types leave these methods out. */
interface Plan {
  selectNumberingPlan(country: string): void;
  nationalNumberPattern(): string;
  leadingDigits(): string | undefined;
  type(name: string): { pattern(): string; possibleLengths(): number[] | undefined } | undefined;
  numberingPlan: { nationalPrefixForParsing(): string | undefined };
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

/**
 * Whether libphonenumber takes `text` for a valid number whose E.164 form is `text` itself, by its own metadata and in its
 * own order (getCountryByNationalNumber.js, getNumberType.js) but twenty times as fast: lists of a million are mostly made of
 * such numbers. Then its country and the number in it; null means only that libphonenumber must be asked.
 */
export function countryOfPlainE164(text: string): { country: string; national: string } | null {
  if (!/^\+[1-9]\d{6,14}$/.test(text)) return null;
  for (let digits = 1; digits <= 3; digits += 1) {
    const code = callingCodes.get(text.slice(1, 1 + digits));
    if (!code) continue;
    const national = text.slice(1 + digits);
    const country = code.prefix?.test(national) ? null : countryOf(code.countries, national);
    return country === null ? null : { country, national };
  }
  return null;
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

function rulesOf(code: string): CallingCode {
  const plan = new Metadata() as unknown as Plan;
  const countries = plan.getCountryCodesForCallingCode(code) ?? [];
  plan.selectNumberingPlan(code);
  const prefix = plan.numberingPlan.nationalPrefixForParsing();
  return {
    prefix: prefix ? new RegExp(`^(?:${prefix})`) : null,
    countries: countries.map((country) => {
      plan.selectNumberingPlan(country);
      return rulesOfCountry(country, plan);
    }),
  };
}

function rulesOfCountry(country: string, plan: Plan): CountryRules {
  const leading = plan.leadingDigits();
  const types = TYPES.flatMap((name) => plan.type(name) ?? []).filter((type) => type.pattern());
  return {
    country,
    leadingDigits: leading ? new RegExp(`^(?:${leading})`) : null,
    whole: wholly(plan.nationalNumberPattern()),
    types: types.map((type) => ({ pattern: wholly(type.pattern()), lengths: type.possibleLengths() })),
  };
}

function wholly(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}
