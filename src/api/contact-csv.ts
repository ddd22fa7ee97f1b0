import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { ERASED } from '../calls/number.js';
import { CampanileError, messageOf } from '../errors.js';
import { type ContactRow, Unreadable } from './contact-rows.js';
import { FIELD_PREFIX, isExport, unguard } from './csv.js';
import { type FieldError, FieldsInvalid } from './problem.js';

/** The most characters of one row: what a quote that is never closed may swallow before it is noticed. */
const MAX_ROW = 128 * 1024;
/** The header must end within this. */
const MAX_HEADER = 64 * 1024;

/** The columns beside `number` that are no fields. An empty cell of one says nothing. */
const OWN = ['time_zone', 'priority', 'consent_basis', 'consent_source', 'consent_at'] as const;

/** A row of a CSV upload, with its values as they stood there. */
export interface CsvRow extends ContactRow {
  line: number;
  values: readonly string[];
}

/**
 * The contacts of CSV (RFC 4180: a header row, values in double quotes where they hold a delimiter, a quote (doubled) or a
 * line break), which comes in pieces of any length. Throws a CampanileError: 422 for a header that does not do, 400 for
 * quotes that make no sense, because nobody can tell where a row ends then.
 */
export async function* readCsv(text: AsyncIterable<string> | Iterable<string>): AsyncGenerator<CsvRow> {
  const pieces = (Symbol.asyncIterator in text ? text : Readable.from(text))[Symbol.asyncIterator]();
  const start = await readHeaderLine(pieces);
  const parser = parse({
    delimiter: delimiterOf(start),
    info: true,
    max_record_size: MAX_ROW,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  const source = Readable.from(resume(start, pieces));
  // `pipe` passes no errors on, and a source that broke off would leave the parser waiting for ever.
  source.on('error', (error) => parser.destroy(error));
  let header: Header | undefined;
  let index = 0;
  try {
    for await (const item of source.pipe(parser)) {
      const { record: values, info } = item as { record: string[]; info: { lines: number } };
      if (header) {
        // Of an erased person an export has a row and no number.
        if (header.isExport && values[header.number]?.startsWith(ERASED)) continue;
        const value = contactOf(header, values);
        yield { pointer: `/contacts/${index++}`, line: info.lines, value, values };
      } else header = checkHeader(values);
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new CampanileError('csv_invalid', `the body is not valid CSV: ${describe(cause)}`, {
      cause,
    });
  } finally {
    source.destroy();
    // Not waited for: it may be waiting for the next piece itself. Unless told, the body's reader would hold on to it.
    void pieces.return?.();
  }
}

function describe(error: CsvError): string {
  if (error.code !== 'CSV_MAX_RECORD_SIZE') return messageOf(error);
  return `a row is longer than ${MAX_ROW} characters at line ${error.lines}: a quote before it is not closed`;
}

async function readHeaderLine(pieces: AsyncIterator<string>): Promise<string> {
  let start = '';
  while (!/[^\r\n][\r\n]/.test(start) && start.length < MAX_HEADER) {
    const { done, value } = await pieces.next();
    if (done) break;
    start += value;
  }
  return start;
}

async function* resume(start: string, pieces: AsyncIterator<string>): AsyncGenerator<string> {
  yield start;
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
}

/** Spreadsheets write semicolons where the comma is the decimal point, and tabs when asked to. */
function delimiterOf(start: string): string {
  const header = /[^\r\n]+/.exec(start)?.[0].replace(/"[^"]*"/g, '') ?? '';
  const counts = [',', ';', '\t'].map((delimiter) => ({ delimiter, n: header.split(delimiter).length }));
  return counts.reduce((most, other) => (other.n > most.n ? other : most)).delimiter;
}

interface Header {
  length: number;
  number: number;
  /** Where the other columns of OWN are; -1 where there is none. */
  own: Readonly<Record<(typeof OWN)[number], number>>;
  /** In an export an empty cell is a field that the contact has not. */
  isExport: boolean;
  fields: readonly (readonly [name: string, at: number])[];
}

function checkHeader(columns: string[]): Header {
  const errors: FieldError[] = [];
  if (!columns.includes('number')) {
    const has = columns.map((name) => `\`${name.slice(0, 64)}\``).slice(0, 64);
    errors.push({
      field: '/',
      message: `the header row has no column \`number\`; its columns are ${has.join(', ')}`,
    });
  }
  for (const column of new Set(columns.filter((name, i) => columns.indexOf(name) !== i))) {
    errors.push({ field: '/', message: `the header row has the column \`${column}\` twice` });
  }
  if (errors.length > 0) throw new FieldsInvalid(errors);
  return {
    length: columns.length,
    number: columns.indexOf('number'),
    own: Object.fromEntries(OWN.map((name) => [name, columns.indexOf(name)])) as Header['own'],
    isExport: isExport(columns),
    fields: fieldsOf(columns),
  };
}

/** Which columns are fields. An export has others of its own, and names its fields by a prefix. */
function fieldsOf(columns: readonly string[]): (readonly [name: string, at: number])[] {
  const named = columns.map((name, at) => [name, at] as const);
  if (!isExport(columns))
    return named.filter(([name]) => name !== 'number' && !(OWN as readonly string[]).includes(name));
  return named
    .filter(([name]) => name.startsWith(FIELD_PREFIX))
    .map(([name, at]) => [name.slice(FIELD_PREFIX.length), at] as const);
}

function contactOf(header: Header, values: readonly string[]): unknown {
  if (values.length !== header.length) {
    return new Unreadable(`has ${values.length} values where the header row has ${header.length}`);
  }
  const fields: Record<string, unknown> = {};
  for (const [name, at] of header.fields) {
    const value = unguard(values[at]!);
    if (!header.isExport || value !== '') fields[name] = value;
  }
  const number = unguard(values[header.number]!);
  const own = (name: (typeof OWN)[number]) => unguard(values[header.own[name]] ?? '') || undefined;
  const priority = own('priority');
  return {
    number,
    time_zone: own('time_zone'),
    priority: priority !== undefined && /^\d+$/.test(priority) ? Number(priority) : priority,
    consent_basis: own('consent_basis'),
    consent_source: own('consent_source'),
    consent_at: own('consent_at'),
    fields,
  };
}
