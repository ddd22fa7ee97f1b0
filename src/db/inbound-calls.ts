import type { Reading } from '../calls/called-back.js';
import type { Answers, Happened } from '../calls/flow/happened.js';
import type { Key } from '../calls/flow/schema.js';
import { type Addressed, type AddressedRow, CLOCK, toAddressed } from './contacts.js';
import type { ContentRef } from './content.js';
import type { Db } from './pool.js';
import type { Page } from './tenants.js';

/** A call back, as its tenant may see it. */
export interface InboundCall {
  id: string;
  campaign_id: string;
  contact_id: string;
  attempt_id: string;
  number: string;
  called: string;
  began_at: Date;
  ended_at: Date | null;
  seconds: number | null;
  /** src/calls/flow/happened.ts */
  steps: Record<string, unknown>[] | null;
  answers: Answers | null;
  opted_out: boolean;
  passed_on: boolean;
}

/** The call that somebody calls back, and what it said. */
export interface CalledBack extends Addressed {
  tenantId: string;
  attemptId: string;
  campaignId: string;
  contactId: string;
  number: string;
  ordinal: number;
  content: ContentRef;
  /** What is said to callers instead. */
  inboundMessageId: string | null;
}

/** So long ago a call may be that is called back. */
const DAYS = 30;

/** The regions in which tenants write numbers. */
export async function listRegions(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ region: string }>(
    'SELECT DISTINCT default_region AS region FROM tenants WHERE default_region IS NOT NULL',
  );
  return rows.map(({ region }) => region);
}

/**
 * The last call to one of the numbers `callers` that showed one of the numbers `called`, over all tenants; where nobody knows
 * what was shown, because neither campaign nor trunk says so, any other. Null when there was none.
 */
export async function findCalledBack(
  db: Db,
  callers: readonly Reading[],
  called: readonly Reading[],
): Promise<CalledBack | null> {
  const { rows } = await db.query<FoundRow>(
    `SELECT a.tenant_id, a.id, a.campaign_id, a.contact_id, a.number, a.ordinal, p.message_id, p.flow_id, p.flow_version,
        p.opt_out_key, p.inbound_message_id, c.fields, ${CLOCK} AS time_zone
      FROM unnest($1::text[], $2::text[]) AS k(number, region)
      JOIN attempts a ON a.number = k.number
      JOIN tenants t ON t.id = a.tenant_id AND t.deleting_since IS NULL AND (k.region IS NULL OR t.default_region = k.region)
      JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
      JOIN contacts c ON c.tenant_id = a.tenant_id AND c.id = a.contact_id
      LEFT JOIN sip_accounts s ON s.tenant_id = a.tenant_id AND s.id = a.trunk_id
      CROSS JOIN LATERAL (SELECT coalesce(p.caller_id, s.caller_ids[1]) AS caller_id) AS shown
      WHERE a.claimed_at > statement_timestamp() - make_interval(days => ${DAYS}) AND NOT a.test
        AND a.disposition IS DISTINCT FROM 'cancelled'
        AND (shown.caller_id IS NULL OR shown.caller_id = ANY($3::text[]))
      ORDER BY shown.caller_id IS NULL, a.claimed_at DESC LIMIT 1`,
    [callers.map((k) => k.number), callers.map((k) => k.region), called.map((k) => k.number)],
  );
  return rows[0] ? toCalledBack(rows[0]) : null;
}

interface FoundRow extends AddressedRow {
  tenant_id: string;
  id: string;
  campaign_id: string;
  contact_id: string;
  number: string;
  ordinal: number;
  message_id: string | null;
  flow_id: string | null;
  flow_version: number | null;
  opt_out_key: Key | null;
  inbound_message_id: string | null;
}

function toCalledBack(row: FoundRow): CalledBack {
  return {
    ...toAddressed(row),
    tenantId: row.tenant_id,
    attemptId: row.id,
    campaignId: row.campaign_id,
    contactId: row.contact_id,
    number: row.number,
    ordinal: row.ordinal,
    content: {
      tenantId: row.tenant_id,
      messageId: row.message_id,
      flowId: row.flow_id,
      flowVersion: row.flow_version,
      optOutKey: row.opt_out_key,
      machine: null,
    },
    inboundMessageId: row.inbound_message_id,
  };
}

/** Writes down that a call is called back. */
export async function insertInboundCall(db: Db, id: string, call: CalledBack, called: string): Promise<void> {
  await db.query(
    `INSERT INTO inbound_calls (tenant_id, id, campaign_id, contact_id, attempt_id, number, called)
      VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [call.tenantId, id, call.campaignId, call.contactId, call.attemptId, call.number, called],
  );
}

/** What came of a call back. */
export interface InboundEnd {
  seconds: number;
  steps: readonly Happened[];
  answers: Answers;
  optedOut: boolean;
  passedOn: boolean;
}

/** Writes down what came of a call back; of somebody who was erased meanwhile nothing of what was said. */
export async function endInboundCall(db: Db, tenantId: string, id: string, end: InboundEnd): Promise<void> {
  await db.query(
    `UPDATE inbound_calls SET ended_at = statement_timestamp(), seconds = $3, opted_out = $6, passed_on = $7,
        steps = CASE WHEN number NOT LIKE 'erased %' THEN $4::jsonb END,
        answers = CASE WHEN number NOT LIKE 'erased %' THEN $5::jsonb END
      WHERE tenant_id = $1 AND id = $2`,
    [
      tenantId,
      id,
      end.seconds,
      JSON.stringify(end.steps),
      JSON.stringify(end.answers),
      end.optedOut,
      end.passedOn,
    ],
  );
}

/** Calls back, oldest first; of one campaign when `campaignId` is not null. */
export async function listInboundCalls(
  db: Db,
  tenantId: string,
  campaignId: string | null,
  page: Page,
): Promise<InboundCall[]> {
  const { rows } = await db.query<InboundCall>(
    `SELECT id, campaign_id, contact_id, attempt_id, number, called, began_at, ended_at, seconds, steps, answers, opted_out,
        passed_on
      FROM inbound_calls
      WHERE tenant_id = $1 AND ($2::uuid IS NULL OR campaign_id = $2) AND ($3::uuid IS NULL OR id > $3)
      ORDER BY id LIMIT $4`,
    [tenantId, campaignId, page.after, page.limit],
  );
  return rows;
}
