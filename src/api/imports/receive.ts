import { type Import, type ImportCounts, insertRejections, updateImport } from '../../db/imports.js';
import type { Session } from '../../db/pool.js';
import { stageContacts } from '../../db/staging.js';
import type { RowRules } from '../contact-check.js';
import { FieldsInvalid } from '../problem.js';
import { type Batch, checkRows } from './batches.js';
import { readRows } from './rows.js';

const PROGRESS_MS = 1000;

/**
 * Takes the whole of an upload into the staging table and returns the job as it is then, `storing`. While one batch is on
 * its way to the database the next one is checked, and no more than those two are held. Throws a CampanileError where
 * the upload cannot be read.
 */
export async function receiveImport(
  session: Session,
  upload: { tenantId: string; rules: RowRules; job: Import; body: AsyncIterable<Uint8Array> },
): Promise<Import> {
  const { tenantId, rules, job, body } = upload;
  const counts: ImportCounts = { rows: 0, rejected: 0, bytes: 0 };
  let shownAt = performance.now();
  let underWay = Promise.resolve();

  async function keep(batch: Batch): Promise<void> {
    if (batch.staged.size > 0) await stageContacts(session, batch.staged.bytes());
    if (batch.rejections.length > 0) await insertRejections(session, tenantId, job.id, batch.rejections);
    counts.rows += batch.rows;
    counts.rejected += batch.rejected;
    if (performance.now() - shownAt < PROGRESS_MS) return;
    shownAt = performance.now();
    await updateImport(session, tenantId, job.id, 'receiving', counts);
  }

  try {
    for await (const batch of checkRows(readRows(job.format, counted(body, counts)), rules)) {
      await underWay;
      underWay = keep(batch);
      underWay.catch(() => {}); // waited for in the next round, or below
    }
  } finally {
    await underWay;
  }
  if (counts.rows === 0) throw new FieldsInvalid([{ field: '/', message: 'holds no contacts' }]);
  return updateImport(session, tenantId, job.id, 'storing', counts);
}

async function* counted(body: AsyncIterable<Uint8Array>, counts: ImportCounts): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    counts.bytes += chunk.length;
    yield chunk;
  }
}
