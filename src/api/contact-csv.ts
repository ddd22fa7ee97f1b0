import { Readable } from 'node:stream';
import { CsvError, type Options, Parser } from 'csv-parse';
import { ERASED } from '../calls/number.js';
import { CampanileError, messageOf } from '../errors.js';
import { checkHeader, contactOf, type Header } from './contact-csv-header.js';
import type { ContactRow } from './contact-rows.js';

/** The most characters of one row: what a quote that is never closed may swallow before it is noticed. */
const MAX_ROW = 128 * 1024;
/** The same in bytes, delimiters included, which the library does not count. */
const MAX_ROW_BYTES = 4 * MAX_ROW;
/** The header must end within this. */
const MAX_HEADER = 64 * 1024;
/** Parsed at once: the rows of more would lie about for longer than the garbage collector takes for short. */
const SLICE = 8 * 1024;

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
  let lastLine = 0;
  function* contacts(): Generator<CsvRow> {
    for (const { line, values } of parser.takeRows()) {
      lastLine = line;
      if (header) {
        // Of an erased person an export has a row and no number.
        if (header.isExport && values[header.number]?.startsWith(ERASED)) continue;
        yield { pointer: `/contacts/${index++}`, line, value: contactOf(header, values), values };
      } else header = checkHeader(values);
    }
  }
  try {
    let bytes = 0;
    for await (const slice of slices(start, pieces)) {
      await parser.feed(slice);
      bytes = parser.hasRows ? 0 : bytes + slice.length;
      if (bytes > MAX_ROW_BYTES) throw tooLong(lastLine + 1);
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

  get hasRows(): boolean {
    return this.#rows.length > 0;
  }

  takeRows(): { line: number; values: string[] }[] {
    return this.#rows.splice(0);
  }
}

function tooLong(line: number): CampanileError {
  return new CampanileError('csv_invalid', `line ${line} is longer than ${MAX_ROW_BYTES} bytes`);
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
