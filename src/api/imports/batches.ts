import { setImmediate } from 'node:timers/promises';
import type { Rejection } from '../../db/imports.js';
import { renderStaged } from '../../db/staging.js';
import { newId } from '../../ids.js';
import { checkRow, type RowRules } from '../contact-check.js';
import type { FieldError } from '../problem.js';
import { createLines, type Lines } from './lines.js';
import type { ImportRow } from './rows.js';

/** Some rows of an upload, checked. */
export interface Batch {
  rows: number;
  rejected: number;
  /** The good ones, as they are staged. */
  staged: Lines;
  /** The others, as many as are kept. */
  rejections: Rejection[];
}

/** So many take about 2 ms; calls in this process wait no longer for their turn. */
const ROWS_PER_TURN = 200;
const MAX_ROWS = 500;
const MAX_BYTES = 64 * 1024;
/** A batch ends behind the row that makes it large enough. */
const EXPECTED_BYTES = MAX_BYTES + 8 * 1024;
/** Rejected rows that are kept of one import; all are counted. */
export const MAX_KEPT = 100_000;
const MAX_ROW_SHOWN = 500;

/**
 * Checks rows and gathers them into batches. What is staged of a batch is good until the next but one is asked for.
 */
export async function* checkRows(rows: AsyncIterable<ImportRow>, rules: RowRules): AsyncGenerator<Batch> {
  let kept = 0;
  let rejectedCharacters = 0;
  let [lines, others] = [createLines(EXPECTED_BYTES), createLines(EXPECTED_BYTES)];
  let batch = emptyBatch(lines);
  for await (const row of rows) {
    batch.rows += 1;
    if (batch.rows % ROWS_PER_TURN === 0) await setImmediate();
    const errors: FieldError[] = [];
    const contact = checkRow({ pointer: '', line: null, value: row.value }, rules, errors);
    if (contact) {
      batch.staged.add(renderStaged({ id: newId(), ...contact }));
    } else {
      batch.rejected += 1;
      if (kept < MAX_KEPT) {
        const rejection = rejectionOf(row, errors);
        batch.rejections.push(rejection);
        rejectedCharacters += rejection.row.length + rejection.reason.length;
        kept += 1;
      }
    }
    if (batch.rows < MAX_ROWS && batch.staged.size + rejectedCharacters < MAX_BYTES) continue;
    yield batch;
    [lines, others] = [others, lines];
    lines.clear();
    batch = emptyBatch(lines);
    rejectedCharacters = 0;
  }
  if (batch.rows > 0) yield batch;
}

function emptyBatch(staged: Lines): Batch {
  return { rows: 0, rejected: 0, staged, rejections: [] };
}

function rejectionOf(row: ImportRow, errors: readonly FieldError[]): Rejection {
  const reasons = errors.map(({ field, message }) =>
    field === '' ? message : `${field.slice(1)}: ${message}`,
  );
  const text = row.text();
  return {
    line: row.line,
    reason: storable(reasons.join('; ').slice(0, 1000)),
    row: storable(text.length > MAX_ROW_SHOWN ? `${text.slice(0, MAX_ROW_SHOWN)}…` : text),
  };
}

/** Text as Postgres takes it: the row may have been refused for what cannot be stored. */
function storable(text: string): string {
  return Buffer.from(text.replaceAll('\0', '\ufffd')).toString();
}
