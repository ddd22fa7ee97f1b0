import { z } from 'zod';
import { parseJson } from './body.js';
import { check, pointer } from './check.js';
import { checkContacts } from './contact-check.js';
import { type ContactRow, readContacts } from './contact-rows.js';
import { type FieldError, FieldsInvalid } from './problem.js';

const documents = z.union(
  [z.array(z.unknown()), z.strictObject({ numbers: z.array(z.unknown()) })],
  'must be an array of numbers, or an object with such an array as `numbers` and nothing else',
);

/**
 * The numbers of an upload, JSON or CSV, in E.164 and each once, and how many rows it had. Numbers without a country code
 * are read in `region`. Throws as `checkContacts` does.
 */
export async function readNumbers(
  upload: { type: string; bytes: Buffer },
  region: string | null,
): Promise<{ numbers: string[]; rows: number }> {
  const source = upload.type === 'text/csv' ? numbersOf(readContacts(upload)) : readJson(upload.bytes);
  const { unique, rows } = await checkContacts(source, { region, neededFields: [] });
  return { numbers: unique.map(({ number }) => number), rows };
}

/** Rows without their other columns. */
async function* numbersOf(rows: AsyncIterable<ContactRow>): AsyncGenerator<ContactRow> {
  for await (const row of rows) {
    const { value } = row;
    const number =
      typeof value === 'object' && value !== null && 'number' in value ? value.number : undefined;
    yield number === undefined ? row : { ...row, value: { number } };
  }
}

async function* readJson(bytes: Buffer): AsyncGenerator<ContactRow> {
  const errors: FieldError[] = [];
  const document = check(documents, parseJson(bytes), errors, pointer);
  if (!document) throw new FieldsInvalid(errors);
  const [prefix, numbers] = Array.isArray(document) ? ['', document] : ['/numbers', document.numbers];
  for (const [index, number] of numbers.entries()) {
    yield { pointer: `${prefix}/${index}`, line: null, value: { number } };
  }
}
