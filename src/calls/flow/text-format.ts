import { readMoment } from './moment.js';

/** How a field may be written out for whoever speaks the text. */
export const FORMATS = [
  'date',
  'time',
  'datetime',
  'weekday',
  'number',
  'digits',
  'characters',
  'money',
] as const;
export type Format = (typeof FORMATS)[number];

/** In which language, and where. */
export interface Place {
  /** BCP 47, such as `en` or `pt-BR`. Of one that Intl does not know, dates and numbers are English. */
  language: string;
  /** IANA, of times that name an offset. */
  timeZone: string;
}

const MOMENTS = {
  date: { options: { dateStyle: 'long' }, example: 'a day such as 2026-11-25' },
  time: { options: { timeStyle: 'short' }, example: 'a time such as 14:30 or 2026-11-25T14:30' },
  datetime: {
    options: { dateStyle: 'long', timeStyle: 'short' },
    example: 'a day with a time such as 2026-11-25T14:30',
  },
  weekday: { options: { weekday: 'long' }, example: 'a day such as 2026-11-25' },
} as const;

/** Writes `value` out, or tells the rule that it breaks. */
export function formatValue(
  value: string,
  format: Format,
  currency: string | null,
  place: Place,
): { text: string } | { rule: string } {
  switch (format) {
    case 'digits': {
      const digits = value.replace(/[\s().+/-]/g, '');
      return /^\d+$/.test(digits)
        ? { text: [...digits].join(' ') }
        : { rule: 'for digits it must be a number such as 4711 or +1 415 555 0123' };
    }
    case 'characters':
      return { text: [...value.replace(/\s+/g, '')].join(' ') };
    case 'number':
    case 'money':
      return formatNumber(value, format, currency, place.language);
    default:
      return formatMoment(value, format, place);
  }
}

function formatMoment(value: string, format: keyof typeof MOMENTS, { language, timeZone }: Place) {
  const { options, example } = MOMENTS[format];
  const moment = readMoment(value, timeZone);
  const isThere =
    moment && (format === 'time' || moment.hasDay) && (!format.endsWith('time') || moment.hasTime);
  if (!isThere) return { rule: `for ${format} it must be ${example}` };
  const key = `${format} ${moment.zone}`;
  const formatter = intl(
    language,
    key,
    (locales) => new Intl.DateTimeFormat(locales, { ...options, timeZone: moment.zone, ...LATIN }),
  );
  return { text: plainSpaces(formatter.format(moment.at)) };
}

function formatNumber(value: string, format: 'number' | 'money', currency: string | null, language: string) {
  if (!/^[+-]?\d{1,15}(\.\d{1,10})?$/.test(value)) {
    return { rule: `for ${format} it must be a number such as 1234.5, without other signs` };
  }
  // Without separators of thousands: engines take them for the end of a number.
  const formatter = intl(language, `${format} ${currency}`, (locales) => {
    const options: Intl.NumberFormatOptions = { useGrouping: false, ...LATIN };
    if (format === 'number') return new Intl.NumberFormat(locales, { ...options, maximumFractionDigits: 10 });
    return new Intl.NumberFormat(locales, {
      ...options,
      style: 'currency',
      currency: currency!,
      currencyDisplay: 'name',
      trailingZeroDisplay: 'stripIfInteger',
    });
  });
  return { text: plainSpaces(formatter.format(Number(value))) };
}

const LATIN = { numberingSystem: 'latn' } as const;

// One costs as much as a thousand uses of it.
const formatters = new Map<string, { format(value: never): string }>();
const MOST_FORMATTERS = 500;

function intl<T extends { format(value: never): string }>(
  language: string,
  key: string,
  make: (locales: string[]) => T,
): T {
  const name = `${language} ${key}`;
  const known = formatters.get(name);
  if (known) return known as T;
  const made = make(localesOf(language));
  if (formatters.size >= MOST_FORMATTERS) formatters.clear();
  formatters.set(name, made);
  return made;
}

/** Always the same of a language, whatever this machine is set to. */
function localesOf(language: string): string[] {
  try {
    return [...Intl.getCanonicalLocales(language), 'en'];
  } catch {
    return language.includes('-') ? localesOf(language.replace(/-[^-]*$/, '')) : ['en'];
  }
}

/** Intl writes narrow and unbreakable ones, which engines may not know. */
function plainSpaces(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ');
}
