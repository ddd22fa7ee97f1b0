import { z } from 'zod';
import { isRegion, parseNumber } from '../../calls/number.js';

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether Postgres can store the text: UTF-8 has no lone surrogates, and its text no NUL. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && !LONE_SURROGATE.test(text);
}

export const uuid = z.uuid('must be a UUID').toLowerCase();
export const time = z.iso.datetime();

/** Text of 1 to `max` characters that is not only blanks. */
export function text(max: number) {
  return z
    .string()
    .min(1, { abort: true })
    .max(max)
    .refine((value) => value.trim() !== '', 'must not be blank')
    .refine(isStorable, 'must not hold NUL or half of a surrogate pair');
}

export const name = text(200);
export const ports = z.int().min(0).max(1_000_000);
export const callsPerSecond = z.number().min(0.01).max(100_000);

/** A number from 0 to `max`. What is less than a millionth is 0: Postgres refuses what its `real` cannot hold. */
export function share(max: number) {
  return z
    .number()
    .min(0)
    .max(max)
    .overwrite((value) => Math.round(value * 1e6) / 1e6);
}

export const region = z
  .string()
  .refine(isRegion, 'must be an ISO 3166 region such as US')
  .meta({ description: 'What numbers without a country code are read as', example: 'US' });

/** A phone number that is its own E.164 form. */
export const e164 = z
  .string()
  .refine(
    (value) => parseNumber(value) === value,
    'must be a phone number in E.164 form such as +14155550123',
  )
  .meta({ example: '+14155550123' });

/** A whole number in a query, in digits and nothing else. */
export function integer(min: number, max: number) {
  return z.preprocess(
    (text) => (typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : text),
    z.int().min(min).max(max),
  );
}

/** Query parameters of a list, and the page that SQL takes. */
export const pageQuery = z.strictObject({
  limit: integer(1, 1000).default(100),
  after: uuid.optional().meta({ description: 'The `next` of the page before' }),
});

/** One more row than asked for, so that `listOf` sees whether there is a next page. */
export function pageOf(query: { limit: number; after?: string | undefined }): {
  after: string | null;
  limit: number;
} {
  return { after: query.after ?? null, limit: query.limit + 1 };
}

/** The schema of a list of `item`. */
export function listSchema<T extends z.ZodType>(item: T) {
  return z.strictObject({
    data: z.array(item),
    next: z
      .string()
      .nullable()
      .meta({ description: 'Give it as `after` to get the next page; null on the last' }),
  });
}

/** A page of rows as it is answered: `rows` are what SQL found for `pageOf(query)`, `cursorOf` names a row. */
export function listOf<R>(
  rows: readonly R[],
  query: { limit: number },
  cursorOf: (row: R) => string,
): { data: R[]; next: string | null } {
  const data = rows.slice(0, query.limit);
  const last = data.at(-1);
  return { data, next: rows.length > query.limit && last !== undefined ? cursorOf(last) : null };
}
