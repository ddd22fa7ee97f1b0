import { z } from 'zod';
import { decodeUtf8, parseJson } from './body.js';
import { check, pointer } from './check.js';
import { readCsv } from './contact-csv.js';
import { type FieldError, FieldsInvalid } from './problem.js';

/** One contact of an upload as it came, not checked yet. */
export interface ContactRow {
  /** Where it stands in the body: `/contacts/3`. */
  pointer: string;
  /** The line that it ends on, in CSV; null in JSON. */
  line: number | null;
  value: unknown;
}

/**
 * The contacts of an upload, JSON or CSV, one after the other. Throws a CampanileError where the whole cannot be
 * read: 400 when it is no JSON or CSV, 422 when it has no contacts in it.
 */
export function readContacts({ type, bytes }: { type: string; bytes: Buffer }): AsyncIterable<ContactRow> {
  return type === 'text/csv' ? readCsv([decodeUtf8(bytes)]) : readJson(parseJson(bytes));
}

const documents = z.union(
  [z.array(z.unknown()), z.strictObject({ contacts: z.array(z.unknown()) })],
  'must be an array of contacts, or an object with such an array as `contacts` and nothing else',
);

async function* readJson(json: unknown): AsyncGenerator<ContactRow> {
  const errors: FieldError[] = [];
  const document = check(documents, json, errors, pointer);
  if (!document) throw new FieldsInvalid(errors);
  const [prefix, rows] = Array.isArray(document) ? ['', document] : ['/contacts', document.contacts];
  for (const [index, value] of rows.entries()) yield { pointer: `${prefix}/${index}`, line: null, value };
}

/** What stands in place of a row that is none: of another length than the header, or no JSON. */
export class Unreadable {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}
