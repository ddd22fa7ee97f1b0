import type { ImportFormat } from '../../db/imports.js';
import { CampanileError } from '../../errors.js';
import { readCsv } from '../contact-csv.js';
import { type ContactRow, Unreadable } from '../contact-rows.js';

/** A row of an upload, and how to show it to whoever sent it. */
export interface ImportRow extends ContactRow {
  line: number;
  text(): string;
}

const MAX_LINE = 128 * 1024;

/** The rows of an upload, one after the other. Throws a CampanileError (400, 422) where the whole cannot be read. */
export async function* readRows(
  format: ImportFormat,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ImportRow> {
  const text = decode(body);
  if (format === 'ndjson') return yield* readNdjson(text);
  for await (const { line, value, values } of readCsv(text)) {
    yield { pointer: '', line, value, text: () => values.map(quote).join(',') };
  }
}

/** UTF-8 as text, without a byte order mark. */
async function* decode(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  try {
    for await (const chunk of body) {
      const text = decoder.decode(chunk, { stream: true });
      bytes += chunk.length;
      if (text !== '') yield text;
    }
    const rest = decoder.decode();
    if (rest !== '') yield rest;
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new CampanileError('not_utf8', `the body is not UTF-8, some way behind byte ${bytes}`, {
      cause,
    });
  }
}

// ndjson.org: one JSON object a line, which ends in LF or CRLF. Empty lines are skipped.
async function* readNdjson(text: AsyncIterable<string>): AsyncGenerator<ImportRow> {
  let rest = '';
  let line = 0;
  for await (const piece of text) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const each of lines) {
      line += 1;
      if (each.trim() !== '') yield rowOf(each, line);
    }
    if (rest.length > MAX_LINE) {
      throw new CampanileError('ndjson_invalid', `line ${line + 1} is longer than ${MAX_LINE} characters`);
    }
  }
  if (rest.trim() !== '') yield rowOf(rest, line + 1);
}

function rowOf(text: string, line: number): ImportRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = new Unreadable('is not JSON');
  }
  return { pointer: '', line, value, text: () => text.trim() };
}

/** A value of CSV, in quotes where it needs them. */
export function quote(value: string): string {
  return /[",;\t\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
