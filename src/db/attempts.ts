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
  /** Its campaign is a test: nobody was called. */
  test: boolean;
  /** Who answered; null where that was not looked into. */
  machine: MachineVerdict | null;
}

const COLUMNS = `id, campaign_id, contact_id, trunk_id, number, ordinal, state, disposition, claimed_at, answered_at,
  ended_at, ring_seconds, talk_seconds, heard_seconds, key, sip_status, hangup_cause, hung_up_by, silent, test, machine`;

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

/** All attempts of a campaign, oldest first, some at a time; in one state or with one disposition where that is not null. */
export function readAttempts(
  tx: Tx,
  tenantId: string,
  campaignId: string,
  only: { state: Attempt['state'] | null; disposition: Disposition | null },
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
