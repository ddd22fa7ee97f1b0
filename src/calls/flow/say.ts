import { readMoment, wallClock } from './moment.js';
import type { Part } from './schema.js';

/** A value that Asterisk says with its own files. */
export type SayPart = Extract<Part, { say: string }>;

/** One thing for Asterisk to say; a moment is what the clock there shows, as if it were that of UTC. */
export type Saying =
  | { as: 'number' | 'digits' | 'characters'; text: string }
  | { as: 'date' | 'time' | 'datetime'; at: Date }
  | { as: 'money'; text: string };

/** Of money Asterisk has the words for this, and in English only. */
const CURRENCY = 'USD';

/**
 * What is to be said of `value`, in `language`; or, as a sentence, why Asterisk cannot say it. Times that name an offset are
 * told in `timeZone`.
 */
export function sayingOf(
  part: Pick<SayPart, 'say' | 'currency'>,
  value: string,
  language: string,
  timeZone: string,
): Saying | string {
  const text = value.trim();
  switch (part.say) {
    case 'number':
      // An int of C, and no file says a comma.
      return /^-?\d{1,9}$/.test(text)
        ? { as: 'number', text }
        : `${quoted(value)} is no whole number of at most 9 digits`;
    case 'digits': {
      const digits = text.replace(/[\s().+/-]/g, '');
      return /^[\d*#]{1,40}$/.test(digits)
        ? { as: 'digits', text: digits }
        : `${quoted(value)} is not of digits`;
    }
    case 'characters':
      return /^[\x20-\x7e]{1,100}$/.test(text)
        ? { as: 'characters', text }
        : `${quoted(value)} is not of 1 to 100 letters from A to Z, digits and signs of ASCII`;
    case 'money':
      return sayMoney(text, part.currency ?? CURRENCY, language);
    default:
      return sayMoment(text, part.say, timeZone);
  }
}

/**
 * The same in a call, where it is too late to refuse a value that the callee or a server gave: it is spelt then, and nothing is
 * said of one that cannot even be that.
 */
export function sayingOrSpelt(
  part: Pick<SayPart, 'say' | 'currency'>,
  value: string,
  language: string,
  timeZone: string,
): Saying | null {
  for (const tried of [part, { say: 'characters' } as const]) {
    const saying = sayingOf(tried, value, language, timeZone);
    if (typeof saying !== 'string') return saying;
  }
  return null;
}

/** Why Asterisk cannot say a value; null when it can. */
export function sayProblem(
  part: Pick<SayPart, 'say' | 'currency'>,
  value: string,
  language: string,
  timeZone: string,
): string | null {
  const saying = sayingOf(part, value, language, timeZone);
  return typeof saying === 'string' ? saying : null;
}

/** Why Asterisk has no words for such a part, whatever the value; null when it has. */
export function sayPartProblem(
  { say, currency }: Pick<SayPart, 'say' | 'currency'>,
  language: string,
): string | null {
  if (say !== 'money') {
    return currency === undefined ? null : 'has a currency, which is for money only';
  }
  if ((currency ?? CURRENCY) === CURRENCY && /^en(-|$)/.test(language)) return null;
  return `Asterisk's files say money in US dollars and in English only: use text, such as {"text": "{amount:money:${currency ?? 'EUR'}}"}`;
}

function sayMoney(text: string, currency: string, language: string): Saying | string {
  const problem = sayPartProblem({ say: 'money', currency }, language);
  if (problem) return problem;
  return /^\d{1,7}(\.\d\d?)?$/.test(text)
    ? { as: 'money', text: Number(text).toFixed(2) }
    : `${quoted(text)} is no amount such as 12.50`;
}

function sayMoment(text: string, as: 'date' | 'time' | 'datetime', timeZone: string): Saying | string {
  const moment = readMoment(text, timeZone);
  if (!moment || (as !== 'time' && !moment.hasDay) || (as !== 'date' && !moment.hasTime)) {
    const example = {
      date: 'a day such as 2026-11-25',
      time: 'a time such as 14:30',
      datetime: 'a day with a time such as 2026-11-25T14:30',
    };
    return `${quoted(text)} is not ${example[as]}`;
  }
  return { as, at: wallClock(moment) };
}

function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 64));
}
