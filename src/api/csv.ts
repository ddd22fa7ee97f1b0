import { stringify } from 'csv-stringify/sync';

// CSV as spreadsheets read and write it: RFC 4180, UTF-8. An export begins with a byte order mark, without which Excel
// takes it for the code page of the machine, and has a header row.
//
// A spreadsheet takes a cell that begins with one of = + - @ for a formula, and a tab or a line break before it makes no
// difference (https://owasp.org/www-community/attacks/CSV_Injection). Such a cell gets an apostrophe in front, unless
// all of it is a number, which computes nothing: E.164 numbers are as they are. The same is done within a cell, behind what
// a spreadsheet of another country takes for the end of one: there the comma is none, and quotes then stand in the middle.
// An upload takes the apostrophes off, and so that none is taken off that was there before, apostrophes before such a
// character get one more.

const BYTE_ORDER_MARK = '\uFEFF';
const FORMULA = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const WITHIN = /([;\t\r\n])(['"]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/g;
const GUARDED_WITHIN = /([;\t\r\n])'(['"]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/g;
const NUMBER = /^[+-]?\d+(\.\d+)?$/;

/** The column that tells an export of ours from other files, and what the names of fields begin with in one. */
const MARK = 'contact_id';
export const FIELD_PREFIX = 'field.';

/** Text as a cell that no spreadsheet computes. */
export function guard(text: string): string {
  if (NUMBER.test(text)) return text;
  const guarded = text.replace(WITHIN, "$1'$2");
  return FORMULA.test(text) ? `'${guarded}` : guarded;
}

/** The text that `guard` was given. */
export function unguard(cell: string): string {
  const text = cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell;
  return text.replace(GUARDED_WITHIN, '$1$2');
}

/** Whether a file with this header row is an export of ours, of which `number` and `field.NAME` go into contacts. */
export function isExport(header: readonly string[]): boolean {
  return header.includes(MARK);
}

/** The start of a file. */
export function renderHeader(columns: readonly string[]): string {
  return BYTE_ORDER_MARK + renderRows([columns]);
}

/** Rows as CSV: times in RFC 3339, null is an empty cell. */
export function renderRows(rows: readonly (readonly unknown[])[]): string {
  return stringify([...rows] as unknown[][], {
    record_delimiter: '\r\n',
    // What is read back is trimmed where it is not quoted; and half of the record delimiter ends a row for some readers.
    quoted_match: /^\s|\s$|[\r\n]/,
    cast: {
      string: guard,
      date: (date) => date.toISOString(),
      boolean: String,
    },
  });
}
