import { callIdOf, parseCallId } from '../calls/call-id.js';
import type { Answers, Happened } from '../calls/flow/happened.js';
import type { Key } from '../calls/flow/schema.js';
import type { MachineDetection, MachineVerdict } from '../calls/machine.js';
import type { HangupReport } from '../calls/report.js';
import { type Addressed, type AddressedRow, CLOCK, toAddressed } from './contacts.js';
import type { ContentRef } from './content.js';
import { type Db, type Pool, transaction } from './pool.js';
import { waitForTurn } from './turn.js';

/** An attempt that has not ended. */
export interface OpenAttempt {
  callId: string;
  sawAnswer: boolean;
  /** When the hangup handler reported; null when it has not. */
  hangupAt: Date | null;
}

/** Every attempt of a node that has not ended. */
export async function listOpenAttempts(db: Db, node: string): Promise<OpenAttempt[]> {
  const { rows } = await db.query<{
    tenant_id: string;
    id: string;
    answered_at: Date | null;
    hangup_at: Date | null;
  }>(`SELECT tenant_id, id, answered_at, hangup_at FROM attempts WHERE state = 'open' AND node = $1`, [node]);
  return rows.map((row) => ({
    callId: callIdOf(row.tenant_id, row.id),
    sawAnswer: row.answered_at !== null,
    hangupAt: row.hangup_at,
  }));
}

/** What the call of an open attempt needs once it is answered. */
export interface OpenCallRow extends Addressed {
  callId: string;
  number: string;
  ordinal: number;
  campaignId: string;
  contactId: string;
  trunkId: string;
  sawAnswer: boolean;
  content: ContentRef;
}

interface CallRow extends AddressedRow {
  tenant_id: string;
  id: string;
  number: string;
  ordinal: number;
  campaign_id: string;
  contact_id: string;
  trunk_id: string;
  saw_answer: boolean;
  message_id: string | null;
  flow_id: string | null;
  flow_version: number | null;
  opt_out_key: Key | null;
  machine_detection: MachineDetection | null;
}

const OPEN_CALLS = `SELECT a.tenant_id, a.id, a.number, a.ordinal, a.campaign_id, a.contact_id, a.trunk_id, a.answered_at IS NOT NULL AS saw_answer, c.fields, ${CLOCK} AS time_zone,
    p.message_id, p.flow_id, p.flow_version, p.opt_out_key, p.machine_detection
  FROM attempts a
  JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
  JOIN contacts c ON c.tenant_id = a.tenant_id AND c.id = a.contact_id
  JOIN tenants t ON t.id = a.tenant_id
  WHERE a.state = 'open' AND a.node = $1`;

/** Every call of a node that is not over. */
export async function listOpenCalls(db: Db, node: string): Promise<OpenCallRow[]> {
  const { rows } = await db.query<CallRow>(OPEN_CALLS, [node]);
  return rows.map(toCall);
}

/** One call of a node, null when there is none or it is over. */
export async function findOpenCall(db: Db, node: string, callId: string): Promise<OpenCallRow | null> {
  const ids = parseCallId(callId);
  if (!ids) return null;
  const { rows } = await db.query<CallRow>(`${OPEN_CALLS} AND a.tenant_id = $2 AND a.id = $3`, [
    node,
    ids.tenantId,
    ids.attemptId,
  ]);
  return rows[0] ? toCall(rows[0]) : null;
}

function toCall(row: CallRow): OpenCallRow {
  return {
    callId: callIdOf(row.tenant_id, row.id),
    number: row.number,
    ordinal: row.ordinal,
    campaignId: row.campaign_id,
    contactId: row.contact_id,
    trunkId: row.trunk_id,
    sawAnswer: row.saw_answer,
    ...toAddressed(row),
    content: {
      tenantId: row.tenant_id,
      messageId: row.message_id,
      flowId: row.flow_id,
      flowVersion: row.flow_version,
      optOutKey: row.opt_out_key,
      machine: row.machine_detection,
    },
  };
}

/** How far an attempt is. */
export interface AttemptState {
  state: 'open' | 'ended';
  sawAnswer: boolean;
  hangupAt: Date | null;
}

/**
 * The states of these calls' attempts; those of a tenant that was deleted have ended with it, and other calls without an attempt are
 * missing from the answer.
 */
export async function findAttemptStates(
  db: Db,
  callIds: readonly string[],
): Promise<Map<string, AttemptState>> {
  const { rows } = await db.query<AttemptState & { tenant_id: string; id: string }>(
    `SELECT k.tenant_id, k.id, coalesce(a.state, 'ended') AS state, a.answered_at IS NOT NULL AS "sawAnswer",
        a.hangup_at AS "hangupAt"
      FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
      LEFT JOIN attempts a ON a.tenant_id = k.tenant_id AND a.id = k.id
      WHERE a.id IS NOT NULL OR EXISTS (SELECT FROM deleted_tenants d WHERE d.id = k.tenant_id)`,
    keysOf(callIds),
  );
  return new Map(rows.map(({ tenant_id, id, ...state }) => [callIdOf(tenant_id, id), state]));
}

/** How long a contact waits whose text could not be spoken, by how often that was so: 30 s, 2, 10 and 30 minutes. */
const SPEECH_DELAY = `make_interval(secs => (ARRAY[30, 120, 600, 1800])[least(c.speech_failures + 1, 4)])`;

/**
 * Undoes claims whose calls were certainly never placed: the attempts go, their contacts are due as they were
 * before, the ports are free. Contacts of a campaign that was cancelled meanwhile are cancelled. Those in `unspoken` are held,
 * for longer each time: it says why their text could not be spoken.
 */
export async function releaseAttempts(
  pool: Pool,
  callIds: readonly string[],
  unspoken: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  await transaction(pool, async (tx) => {
    await waitForTurn(tx);
    const known = callIds.filter((callId) => parseCallId(callId) !== null);
    const keys = keysOf(known);
    await tx.query(
      `SELECT FROM campaigns WHERE (tenant_id, id) IN (
          SELECT a.tenant_id, a.campaign_id FROM attempts a
          JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id) USING (tenant_id, id) WHERE a.state = 'open')
        ORDER BY tenant_id, id FOR NO KEY UPDATE`,
      keys,
    );
    await tx.query(
      `WITH released AS (
          DELETE FROM attempts a USING unnest($1::uuid[], $2::uuid[], $3::text[]) AS k(tenant_id, id, problem)
          WHERE a.tenant_id = k.tenant_id AND a.id = k.id AND a.state = 'open'
          RETURNING a.tenant_id, a.contact_id, k.problem
        )
        UPDATE contacts c SET attempts = c.attempts - 1, updated_at = statement_timestamp(), trunk_from = 1,
          state = CASE WHEN p.status = 'cancelled' THEN 'cancelled' WHEN c.attempts > 1 THEN 'retrying' ELSE 'pending' END,
          held_for = CASE WHEN r.problem IS NOT NULL THEN 'speech' END, problem = r.problem,
          due_at = CASE WHEN r.problem IS NULL THEN c.due_at ELSE statement_timestamp() + ${SPEECH_DELAY} END,
          speech_failures = least(c.speech_failures + (r.problem IS NOT NULL)::integer, 1000)
        FROM released r, campaigns p
        WHERE c.tenant_id = r.tenant_id AND c.id = r.contact_id
          AND p.tenant_id = c.tenant_id AND p.id = c.campaign_id`,
      [...keys, known.map((callId) => unspoken.get(callId) ?? null)],
    );
  });
}

/** Open attempts of a node whose campaign was cancelled. */
export async function listCancelledCalls(db: Db, node: string): Promise<string[]> {
  const { rows } = await db.query<{ tenant_id: string; id: string }>(
    `SELECT a.tenant_id, a.id FROM attempts a
      JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
      WHERE a.state = 'open' AND a.node = $1 AND p.status = 'cancelled'`,
    [node],
  );
  return rows.map((r) => callIdOf(r.tenant_id, r.id));
}

/** What is written down of a call while it is up; what is not given, or null, stays as it is. */
export interface CallNote {
  callId: string;
  answeredAt?: Date | null;
  heardSeconds?: number | null;
  /** The last key that was pressed. */
  key?: string | null;
  /** Added to those that are there; the same ones twice count once. */
  steps?: readonly Happened[] | null;
  answers?: Answers | null;
  /** Added to what is there. */
  machine?: Partial<MachineVerdict> | null;
  hangup?: HangupReport | null;
}

/**
 * Writes down what FastAGI heard of calls of this node. Returns the ids of those whose attempts are open; a note
 * about any other changes nothing, except that what was heard may come late: when the callee hangs up, Asterisk does
 * not wait until it is written down.
 */
export async function noteCalls(db: Db, node: string, notes: readonly CallNote[]): Promise<Set<string>> {
  const { rows } = await db.query<{ tenant_id: string; id: string }>({
    name: 'note-calls',
    text: `UPDATE attempts a SET
        answered_at = coalesce(a.answered_at, n.answered_at),
        heard_seconds = coalesce(n.heard_seconds, a.heard_seconds),
        silent = a.silent AND coalesce(n.heard_seconds, 0) = 0,
        key = coalesce(n.key, a.key),
        steps = CASE WHEN n.steps IS NULL OR a.steps @> n.steps THEN a.steps ELSE coalesce(a.steps, '[]') || n.steps END,
        answers = coalesce(n.answers, a.answers),
        machine = CASE WHEN n.machine IS NULL THEN a.machine ELSE coalesce(a.machine, '{}') || n.machine END,
        hangup_at = coalesce(a.hangup_at, n.hangup_at),
        hangup_cause = coalesce(n.hangup_cause, a.hangup_cause),
        sip_status = coalesce(n.sip_status, a.sip_status),
        dial_status = coalesce(n.dial_status, a.dial_status),
        hung_up_by = coalesce(n.hung_up_by, a.hung_up_by),
        ring_seconds = coalesce(n.ring_seconds, a.ring_seconds),
        talk_seconds = coalesce(n.talk_seconds, a.talk_seconds)
      FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::real[], $6::text[], $7::timestamptz[], $8::integer[],
        $9::integer[], $10::text[], $11::text[], $12::real[], $13::real[], $14::jsonb[], $15::jsonb[],
        $16::jsonb[])
        AS n(tenant_id, id, answered_at, heard_seconds, key, hangup_at, hangup_cause, sip_status, dial_status,
          hung_up_by, ring_seconds, talk_seconds, steps, answers, machine)
      WHERE a.tenant_id = n.tenant_id AND a.id = n.id AND a.node = $1
        AND (a.state = 'open' OR a.heard_seconds IS NULL
          AND (n.heard_seconds IS NOT NULL OR n.steps IS NOT NULL OR n.machine IS NOT NULL)
          OR a.disposition = 'answered' AND a.answered_at IS NULL AND n.answered_at IS NOT NULL)
      RETURNING a.tenant_id, a.id`,
    values: [
      node,
      ...keysOf(notes.map((n) => n.callId)),
      notes.map((n) => n.answeredAt ?? null),
      notes.map((n) => n.heardSeconds ?? null),
      notes.map((n) => n.key ?? null),
      notes.map((n) => (n.hangup ? new Date() : null)),
      notes.map((n) => n.hangup?.hangupCause ?? null),
      notes.map((n) => n.hangup?.sipStatus ?? null),
      notes.map((n) => n.hangup?.dialStatus ?? null),
      notes.map((n) => n.hangup?.hungUpBy ?? null),
      notes.map((n) => n.hangup?.ringSeconds ?? null),
      notes.map((n) => n.hangup?.talkSeconds ?? null),
      notes.map((n) => (n.steps ? JSON.stringify(n.steps) : null)),
      notes.map((n) => (n.answers ? JSON.stringify(n.answers) : null)),
      notes.map((n) => (n.machine ? JSON.stringify(n.machine) : null)),
    ],
  });
  return new Set(rows.map((r) => callIdOf(r.tenant_id, r.id)));
}

function keysOf(callIds: readonly string[]): [string[], string[]] {
  const ids = callIds.map(parseCallId).filter((id) => id !== null);
  return [ids.map((i) => i.tenantId), ids.map((i) => i.attemptId)];
}
