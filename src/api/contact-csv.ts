import { Readable } from 'node:stream';
import { CsvError, type Options, Parser } from 'csv-parse';
import { ERASED } from '../calls/number.js';
import { CampanileError, messageOf } from '../errors.js';
import { type ContactRow, Unreadable } from './contact-rows.js';
import { FIELD_PREFIX, isExport, unguard } from './csv.js';
import { type FieldError, FieldsInvalid } from './problem.js';

/** The most characters of one row: what a quote that is never closed may swallow before it is noticed. */
const MAX_ROW = 128 * 1024;
/** The header must end within this. */
const MAX_HEADER = 64 * 1024;
/** Parsed at once: the rows of more would lie about for longer than the garbage collector takes for short. */
const SLICE = 8 * 1024;

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
  const parser = new RowParser({
    delimiter: delimiterOf(start),
    max_record_size: MAX_ROW,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  let header: Header | undefined;
  let index = 0;
  function* contacts(): Generator<CsvRow> {
    for (const { line, values } of parser.takeRows()) {
      if (header) {
        // Of an erased person an export has a row and no number.
        if (header.isExport && values[header.number]?.startsWith(ERASED)) continue;
        yield { pointer: `/contacts/${index++}`, line, value: contactOf(header, values), values };
      } else header = checkHeader(values);
    }
  }
  try {
    for await (const slice of slices(start, pieces)) {
      await parser.feed(slice);
      yield* contacts();
    }
    await parser.feed(null);
    yield* contacts();
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new CampanileError('csv_invalid', `the body is not valid CSV: ${describe(cause)}`, {
      cause,
    });
  } finally {
    parser.destroy();
    // Not waited for: it may be waiting for the next piece itself. Unless told, the body's reader would hold on to it.
    void pieces.return?.();
  }
}

/** Keeps rows with the line that each ends on. The library's `info` makes an object of twenty values for each row. */
class RowParser extends Parser {
  #rows: { line: number; values: string[] }[] = [];

  constructor(options: Options) {
    super(options);
    this.on('error', () => {}); // `feed` throws it
  }

  /** What the library calls with each row, while it reads. */
  override push(values: string[] | null): boolean {
    if (values === null) return super.push(null);
    this.#rows.push({ line: this.info.lines, values });
    return true;
  }

  /** Reads some bytes, or what there is at the end. */
  feed(bytes: Uint8Array | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (bytes) this.write(bytes, done);
      else this.end(done);
    });
  }

  takeRows(): { line: number; values: string[] }[] {
    return this.#rows.splice(0);
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

/** In bytes: between two pieces of text a character that takes two of JavaScript's would be lost. */
async function* slices(start: string, pieces: AsyncIterator<string>): AsyncGenerator<Uint8Array> {
  yield* slicesOf(start);
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield* slicesOf(next.value);
}

function* slicesOf(text: string): Generator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += SLICE) yield bytes.subarray(at, at + SLICE);
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
