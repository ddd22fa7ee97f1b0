/** A number and how people write it. */
export interface Traces {
  /** E.164. */
  number: string;
  /** Its digits without the country code. */
  national: string;
  /** A regular expression of Postgres that finds it in a text, with or without the country code and separators. */
  pattern: string;
}

const SEPARATORS = ' \u00a0./()-';

/** The traces that a number leaves: `countryCode` are its digits before `national`. */
export function tracesOf(number: string, countryCode: string, national: string): Traces {
  const separated = `[${SEPARATORS}]{0,3}`;
  const digits = [...national].join(separated);
  const pattern = `(?<![0-9])(?:(?:00|011)?${countryCode}${separated})?0?${separated}${digits}(?![0-9])`;
  return { number, national, pattern };
}

/** Whether a text of SQL holds the number `$2` ($3 is the pattern): most that do not are told without a regular expression. */
export const holds = (text: string) =>
  `(translate(${text}, '${SEPARATORS}', '') LIKE '%' || $2 || '%' AND ${text} ~ $3)`;
