import { type Import, listRejections } from '../../db/imports.js';
import type { Db } from '../../db/pool.js';
import { guard } from '../csv.js';
import { MAX_KEPT } from './batches.js';
import { quote } from './rows.js';

const PAGE = 1000;

/** The rows that an import did not take, as CSV: line, reason and the row's text. The last line tells of those not kept. */
export async function* renderRejected(db: Db, tenantId: string, job: Import): AsyncGenerator<string> {
  yield 'line,reason,row\r\n';
  let last = 0;
  for (;;) {
    const page = await listRejections(db, tenantId, job.id, last, PAGE);
    last = page.at(-1)?.line ?? last;
    yield page.map(({ line, reason, row }) => `${line},${cell(reason)},${cell(row)}\r\n`).join('');
    if (page.length < PAGE) break;
  }
  const left = job.rejected - MAX_KEPT;
  if (left > 0) yield `,${cell(`${left} more rows were rejected: the first ${MAX_KEPT} are listed`)},\r\n`;
}

function cell(value: string): string {
  return quote(guard(value));
}
