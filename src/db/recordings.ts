import { firstIdAt } from '../ids.js';
import type { Db } from './pool.js';
import type { Page } from './tenants.js';

/** What a callee said at a step of a flow, without its audio. */
export interface Recording {
  id: string;
  campaign_id: string;
  attempt_id: string;
  /** The step's name in the flow. */
  step: string;
  seconds: number;
  bytes: number;
  created_at: Date;
}

// octet_length() of a bytea that is stored out of line reads its size only, not the audio.
const COLUMNS = 'id, campaign_id, attempt_id, step, seconds, octet_length(audio) AS bytes, created_at';

/**
 * Stores a recording, unless it was stored already. Of an attempt that is gone, or whose person was erased meanwhile, nothing is to
 * be kept.
 */
export async function insertRecording(
  db: Db,
  recording: {
    tenantId: string;
    attemptId: string;
    id: string;
    step: string;
    seconds: number;
    audio: Buffer;
  },
): Promise<void> {
  const { tenantId, attemptId, id, step, seconds, audio } = recording;
  await db.query(
    `INSERT INTO recordings (tenant_id, id, attempt_id, campaign_id, step, seconds, audio)
      SELECT tenant_id, $3, id, campaign_id, $4, $5, $6 FROM attempts
      WHERE tenant_id = $1 AND id = $2 AND number NOT LIKE 'erased %' ON CONFLICT (tenant_id, id) DO NOTHING`,
    [tenantId, attemptId, id, step, seconds, audio],
  );
}

export async function findRecordingById(db: Db, tenantId: string, id: string): Promise<Recording | null> {
  const { rows } = await db.query<Recording>(
    `SELECT ${COLUMNS} FROM recordings WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** The WAV file of a recording. */
export async function findRecordingAudio(db: Db, tenantId: string, id: string): Promise<Buffer | null> {
  const { rows } = await db.query<{ audio: Buffer }>(
    'SELECT audio FROM recordings WHERE tenant_id = $1 AND id = $2',
    [tenantId, id],
  );
  return rows[0]?.audio ?? null;
}

/** A tenant's recordings, the oldest first; of one campaign or one attempt where that is not null. */
export async function listRecordings(
  db: Db,
  tenantId: string,
  of: { campaignId: string | null; attemptId: string | null },
  page: Page,
): Promise<Recording[]> {
  const { rows } = await db.query<Recording>(
    `SELECT ${COLUMNS} FROM recordings
      WHERE tenant_id = $1 AND ($2::uuid IS NULL OR campaign_id = $2) AND ($3::uuid IS NULL OR attempt_id = $3)
        AND ($4::uuid IS NULL OR id > $4)
      ORDER BY id LIMIT $5`,
    [tenantId, of.campaignId, of.attemptId, page.after, page.limit],
  );
  return rows;
}

export async function deleteRecording(db: Db, tenantId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.query('DELETE FROM recordings WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ]);
  return rowCount === 1;
}

/** Deletes up to `most` recordings that are older than their tenants keep them; their ids begin with their time. Returns how many. */
export async function deleteOldRecordings(db: Db, most: number): Promise<number> {
  const { rows: tenants } = await db.query<{ id: string; before: Date }>(
    `SELECT id, now() - make_interval(days => recordings_days) AS before FROM tenants WHERE recordings_days IS NOT NULL`,
  );
  let deleted = 0;
  for (const { id, before } of tenants) {
    const { rowCount } = await db.query(
      `DELETE FROM recordings WHERE tenant_id = $1 AND id IN (
          SELECT id FROM recordings WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT $3)`,
      [id, firstIdAt(before), most - deleted],
    );
    deleted += rowCount ?? 0;
  }
  return deleted;
}
