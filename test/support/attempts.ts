import type { Pool } from '../../src/db/pool.js';
import { firstIdAt, newId } from '../../src/ids.js';
import type { TenantFixture } from './campaigns.js';

/** What is given of an attempt; the rest is null or follows from it. */
export interface AttemptFixture {
  at: string;
  number: string;
  ordinal?: number;
  /** Null leaves it open. */
  disposition: string | null;
  sip?: number;
  cause?: number;
  ring?: number;
  talk?: number;
  heard?: number;
  key?: string;
  /** When its id was made, if that is not when it was claimed. */
  idAt?: string;
}

/** Writes down attempts at contacts that the campaign has; their ids are of the time at which they were claimed. */
export async function insertAttemptFixtures(
  pool: Pool,
  tenant: Pick<TenantFixture, 'tenantId' | 'trunkId'>,
  campaignId: string,
  attempts: readonly AttemptFixture[],
): Promise<void> {
  await pool.query(`INSERT INTO nodes (name, ports) VALUES ('node', 10) ON CONFLICT DO NOTHING`);
  const rows = attempts.map(({ idAt, ...attempt }) => ({
    ...attempt,
    id: firstIdAt(new Date(idAt ?? attempt.at)).slice(0, 14) + newId().slice(14),
  }));
  await pool.query(
    `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal, state,
        claimed_at, ended_at, disposition, sip_status, hangup_cause, hangup_at, ring_seconds, talk_seconds,
        heard_seconds, key)
      SELECT $1, a.id, $2, c.id, $3, 'far', 'node', a.number, coalesce(a.ordinal, 1),
        CASE WHEN a.disposition IS NULL THEN 'open' ELSE 'ended' END, a.at,
        CASE WHEN a.disposition IS NOT NULL THEN a.at END, a.disposition, a.sip, a.cause,
        CASE WHEN a.sip IS NOT NULL OR a.cause IS NOT NULL THEN a.at END, a.ring, a.talk, a.heard, a.key
      FROM json_to_recordset($4::json) AS a(id uuid, at timestamptz, number text, ordinal integer, disposition text,
        sip integer, cause integer, ring real, talk real, heard real, key text)
      JOIN contacts c ON c.campaign_id = $2 AND c.number = a.number`,
    [tenant.tenantId, campaignId, tenant.trunkId, JSON.stringify(rows)],
  );
}

/** One ended attempt at each contact of a campaign: every third is busy, the others answered. */
export async function insertManyAttempts(
  pool: Pool,
  tenant: Pick<TenantFixture, 'tenantId' | 'trunkId'>,
  campaignId: string,
): Promise<number> {
  await pool.query(`INSERT INTO nodes (name, ports) VALUES ('node', 10) ON CONFLICT DO NOTHING`);
  const { rowCount } = await pool.query(
    `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal, state,
        claimed_at, answered_at, ended_at, disposition, sip_status, hangup_cause, hangup_at, hung_up_by, ring_seconds,
        talk_seconds, heard_seconds, key)
      SELECT $1, uuidv7(), $2, id, $3, 'far', 'node', number, 1, 'ended', now(), now(), now(),
        CASE WHEN row_number() OVER () % 3 = 0 THEN 'busy' ELSE 'answered' END, 200, 16, now(), 'callee', 5.25, 14.5,
        12, '1'
      FROM contacts WHERE campaign_id = $2`,
    [tenant.tenantId, campaignId, tenant.trunkId],
  );
  return rowCount ?? 0;
}
