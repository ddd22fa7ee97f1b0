import type { Answers, Happened } from '../calls/flow/happened.js';
import type { MachineVerdict } from '../calls/machine.js';
import type { HungUpBy } from '../calls/report.js';
import type { Disposition } from '../calls/states.js';
import { readCursor } from './cursor.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

/** An attempt as its tenant may see it. */
export interface Attempt {
  id: string;
  campaign_id: string;
  contact_id: string;
  trunk_id: string;
  number: string;
  ordinal: number;
  state: 'open' | 'ended';
  disposition: Disposition | null;
  claimed_at: Date;
  answered_at: Date | null;
  ended_at: Date | null;
  ring_seconds: number | null;
  talk_seconds: number | null;
  heard_seconds: number | null;
  key: string | null;
  sip_status: number | null;
  hangup_cause: number | null;
  hung_up_by: HungUpBy | null;
  /** Answered, and nothing of the message was heard. */
  silent: boolean;
  /** What happened in the call, in order; null where nobody answered. */
  steps: Happened[] | null;
  /** What the flow kept. */
  answers: Answers | null;
  /** Its campaign is a test: nobody was called. */
  test: boolean;
  /** Who answered; null where that was not looked into. */
  machine: MachineVerdict | null;
}

const COLUMNS = `id, campaign_id, contact_id, trunk_id, number, ordinal, state, disposition, claimed_at, answered_at,
  ended_at, ring_seconds, talk_seconds, heard_seconds, key, sip_status, hangup_cause, hung_up_by, silent, steps, answers, test, machine`;

/** A campaign's attempts, oldest first; of one contact when `contactId` is not null. */
export async function listAttempts(
  db: Db,
  tenantId: string,
  campaignId: string,
  contactId: string | null,
  page: Page,
): Promise<Attempt[]> {
  const { rows } = await db.query<Attempt>(
    `SELECT ${COLUMNS} FROM attempts
      WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::uuid IS NULL OR contact_id = $3)
        AND ($4::uuid IS NULL OR id > $4)
      ORDER BY id LIMIT $5`,
    [tenantId, campaignId, contactId, page.after, page.limit],
  );
  return rows;
}

/** Attempts in one state or with one disposition, where that is not null. */
export interface AttemptFilter {
  state: Attempt['state'] | null;
  disposition: Disposition | null;
}

/** All attempts of a campaign, oldest first, some at a time. */
export function readAttempts(
  tx: Tx,
  tenantId: string,
  campaignId: string,
  only: AttemptFilter,
): AsyncGenerator<Attempt[]> {
  return readCursor<Attempt & Record<string, unknown>>(
    tx,
    `SELECT ${COLUMNS} FROM attempts
      WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::text IS NULL OR state = $3)
        AND ($4::text IS NULL OR disposition = $4)
      ORDER BY id`,
    [tenantId, campaignId, only.state, only.disposition],
  );
}

export async function findAttemptById(db: Db, tenantId: string, id: string): Promise<Attempt | null> {
  const { rows } = await db.query<Attempt>(
    `SELECT ${COLUMNS} FROM attempts WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** The names under which a campaign's attempts kept answers, in order, at most `most`; of those that `readAttempts` reads. */
export async function listAnswerNames(
  db: Db,
  tenantId: string,
  campaignId: string,
  only: AttemptFilter,
  most: number,
): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT DISTINCT jsonb_object_keys(answers) AS name FROM attempts
      WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::text IS NULL OR state = $3)
        AND ($4::text IS NULL OR disposition = $4)
      ORDER BY name LIMIT $5`,
    [tenantId, campaignId, only.state, only.disposition, most],
  );
  return rows.map(({ name }) => name);
}
