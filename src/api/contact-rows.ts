import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { z } from 'zod';
import { CampanileError, messageOf } from '../errors.js';
import { decodeUtf8, parseJson } from './body.js';
import { check, pointer } from './check.js';
import { FIELD_PREFIX, isExport, unguard } from './csv.js';
import { type FieldError, FieldsInvalid } from './problem.js';

/** One contact of an upload as it came, not checked yet. */
export interface ContactRow {
  /** Where it stands in the body: `/contacts/3`. */
  pointer: string;
  /** The line that it ends on, in CSV; null in JSON. */
  line: number | null;
  value: unknown;
}

const CSV_SLICE = 64 * 1024;

/**
 * The contacts of an upload, JSON or CSV, one after the other. Throws a CampanileError where the whole cannot be
 * read: 400 when it is no JSON or CSV, 422 when it has no contacts in it.
 */
export function readContacts({ type, bytes }: { type: string; bytes: Buffer }): AsyncIterable<ContactRow> {
  return type === 'text/csv' ? readCsv(decodeUtf8(bytes)) : readJson(parseJson(bytes));
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

// RFC 4180: a header row, values in double quotes where they hold a delimiter, a quote (doubled) or a line break.
async function* readCsv(text: string): AsyncGenerator<ContactRow> {
  const parser = Readable.from(slices(text)).pipe(
    parse({
      delimiter: delimiterOf(text),
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }),
  );
  let header: string[] | undefined;
  let index = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      if (header)
        yield { pointer: `/contacts/${index++}`, line: info.lines, value: contactOf(header, record) };
      else header = checkHeader(record);
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new CampanileError('csv_invalid', `the body is not valid CSV: ${messageOf(cause)}`, {
      status: 400,
      cause,
    });
  }
}

function* slices(text: string): Generator<string> {
  for (let at = 0; at < text.length; at += CSV_SLICE) yield text.slice(at, at + CSV_SLICE);
}

/** Spreadsheets write semicolons where the comma is the decimal point, and tabs when asked to. */
function delimiterOf(text: string): string {
  const header = text.slice(0, text.search(/[\r\n]|$/));
  return [',', ';', '\t'].find((delimiter) => header.includes(delimiter)) ?? ',';
}

function checkHeader(header: string[]): string[] {
  const errors: FieldError[] = [];
  if (!header.includes('number'))
    errors.push({ field: '/', message: 'the header row has no column `number`' });
  for (const column of new Set(header.filter((name, i) => header.indexOf(name) !== i))) {
    errors.push({ field: '/', message: `the header row has the column \`${column}\` twice` });
  }
  if (errors.length > 0) throw new FieldsInvalid(errors);
  return header;
}

/** The contact of one row; a row of another length than the header is told by a field that no contact has. */
function contactOf(header: readonly string[], values: readonly string[]): unknown {
  if (values.length !== header.length) return new WrongLength(values.length, header.length);
  const entries = header.map((name, i) => [name, unguard(values[i]!)] as const);
  const fields = isExport(header)
    ? entries.flatMap(([name, value]) =>
        name.startsWith(FIELD_PREFIX) && value !== ''
          ? [[name.slice(FIELD_PREFIX.length), value] as const]
          : [],
      )
    : entries.filter(([name]) => name !== 'number');
  return { number: unguard(values[header.indexOf('number')]!), fields: Object.fromEntries(fields) };
}

/** A CSV row that has another number of values than the header. */
export class WrongLength {
  readonly message: string;
  constructor(has: number, wanted: number) {
    this.message = `has ${has} values where the header row has ${wanted}`;
  }
}
