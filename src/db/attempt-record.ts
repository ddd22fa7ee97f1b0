import type { DestinationKind, TransferOutcome } from '../calls/flow/transfer.js';
import type { RetryRules } from '../calls/retry.js';
import type { ContactState, Disposition, HeldFor } from '../calls/states.js';
import { firstIdAt } from '../ids.js';
import type { Attempt } from './attempts.js';
import type { Db } from './pool.js';

/** An attempt with what only the operator is told of it, and what it belongs to. */
export interface AttemptRecord extends Attempt {
  tenant_id: string;
  node: string;
  pbx_trunk: string;
  due_at: Date | null;
  placed_at: Date | null;
  begun_at: Date | null;
  hangup_at: Date | null;
  dial_status: string | null;
  archive_status: 'Completed' | 'Expired' | 'Failed' | null;
  tenant: { name: string };
  campaign: {
    name: string;
    status: string;
    started_at: Date | null;
    retry: RetryRules;
    max_attempts: number;
    ring_seconds: number;
    flow: boolean;
  };
  /** Null when it is gone. */
  trunk: { name: string } | null;
  contact: {
    number: string;
    state: ContactState;
    attempts: number;
    due_at: Date;
    held_for: HeldFor | null;
    problem: string | null;
  };
  /** All of the contact, this one too, in their order. */
  attempts: Sibling[];
  transfers: TransferRecord[];
  recordings: { id: string; step: string; seconds: number; created_at: Date }[];
  /** Of events that name it, made until two minutes after its end. */
  deliveries: DeliveryRecord[];
  /** Calls back to it. */
  inbound_calls: { id: string; began_at: Date; ended_at: Date | null; opted_out: boolean }[];
}

export interface Sibling {
  id: string;
  ordinal: number;
  due_at: Date | null;
  claimed_at: Date;
  ended_at: Date | null;
  disposition: Disposition | null;
}

export interface TransferRecord {
  id: string;
  step: string;
  began_at: Date;
  ended_at: Date | null;
  outcome: TransferOutcome | null;
  talked_seconds: number | null;
  /** Null when the destination is gone. */
  destination: { name: string; kind: DestinationKind } | null;
}

export interface DeliveryRecord {
  id: string;
  webhook_id: string;
  type: string;
  state: 'pending' | 'delivered' | 'failed';
  attempts: number;
  status_code: number | null;
  error: string | null;
  created_at: Date;
  last_attempt_at: Date | null;
}

/** The relay makes deliveries of events within a second, as long as it runs. */
const DELIVERED_WITHIN_MS = 120_000;

/**
 * All that the database has of an attempt of any tenant; null when there is none. Each tenant is asked for it by the key of the
 * table, which has no index by the id alone.
 */
export async function findAttemptRecord(db: Db, id: string): Promise<AttemptRecord | null> {
  const { rows } = await db.query<Omit<AttemptRecord, Rest>>(
    `SELECT a.*, json_build_object('name', t.name) AS tenant, (SELECT json_build_object('name', name) FROM trunks r
        WHERE r.tenant_id = a.tenant_id AND r.id = a.trunk_id) AS trunk,
        jsonb_build_object('name', p.name, 'status', p.status, 'started_at', p.started_at, 'retry', p.retry,
          'max_attempts', p.max_attempts, 'ring_seconds', p.ring_seconds, 'flow', p.flow_id IS NOT NULL) AS campaign,
        jsonb_build_object('number', c.number, 'state', c.state, 'attempts', c.attempts, 'due_at', c.due_at,
          'held_for', c.held_for, 'problem', c.problem) AS contact
      FROM tenants t
      CROSS JOIN LATERAL (SELECT * FROM attempts WHERE tenant_id = t.id AND id = $1) AS a
      JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
      JOIN contacts c ON c.tenant_id = a.tenant_id AND c.id = a.contact_id`,
    [id],
  );
  const attempt = rows[0];
  if (!attempt) return null;
  const of = [attempt.tenant_id, id];
  return {
    ...attempt,
    campaign: { ...attempt.campaign, started_at: toDate(attempt.campaign.started_at) },
    contact: { ...attempt.contact, due_at: new Date(attempt.contact.due_at) },
    attempts: await listSiblings(db, attempt.tenant_id, attempt.contact_id),
    transfers: await listTransfers(db, of),
    recordings: await listRecordings(db, of),
    deliveries: await listDeliveries(db, attempt),
    inbound_calls: await listInboundCalls(db, attempt),
  };
}

type Rest = 'attempts' | 'transfers' | 'recordings' | 'deliveries' | 'inbound_calls';

const toDate = (json: unknown) => (json === null ? null : new Date(String(json)));

async function listSiblings(db: Db, tenantId: string, contactId: string): Promise<Sibling[]> {
  const { rows } = await db.query<Sibling>(
    `SELECT id, ordinal, due_at, claimed_at, ended_at, disposition FROM attempts
      WHERE tenant_id = $1 AND contact_id = $2 ORDER BY ordinal, id`,
    [tenantId, contactId],
  );
  return rows;
}

async function listTransfers(db: Db, of: string[]): Promise<TransferRecord[]> {
  const { rows } = await db.query<TransferRecord>(
    `SELECT t.id, t.step, t.began_at, t.ended_at, t.outcome, t.talked_seconds,
        (SELECT json_build_object('name', d.name, 'kind', d.kind) FROM transfer_destinations d
          WHERE d.tenant_id = t.tenant_id AND d.id = t.destination_id) AS destination
      FROM transfers t WHERE t.tenant_id = $1 AND t.attempt_id = $2 ORDER BY t.id`,
    of,
  );
  return rows;
}

async function listRecordings(db: Db, of: string[]): Promise<AttemptRecord['recordings']> {
  const { rows } = await db.query<AttemptRecord['recordings'][number]>(
    `SELECT id, step, seconds, created_at FROM recordings WHERE tenant_id = $1 AND attempt_id = $2 ORDER BY id`,
    of,
  );
  return rows;
}

/** By the time in their ids: of a tenant's webhooks millions may be kept. */
async function listDeliveries(
  db: Db,
  {
    tenant_id,
    id,
    claimed_at,
    ended_at,
  }: Pick<AttemptRecord, 'tenant_id' | 'id' | 'claimed_at' | 'ended_at'>,
): Promise<DeliveryRecord[]> {
  const until = new Date((ended_at ?? new Date()).getTime() + DELIVERED_WITHIN_MS);
  const { rows } = await db.query<DeliveryRecord>(
    `SELECT d.id, d.webhook_id, d.type, d.state, d.attempts, d.status_code, d.error, d.created_at, d.last_attempt_at
      FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id AND d.tenant_id = w.tenant_id
      WHERE w.tenant_id = $1 AND d.id >= $3 AND d.id < $4 AND strpos(d.body, $2) > 0 ORDER BY d.id LIMIT 100`,
    [tenant_id, id, firstIdAt(new Date(claimed_at.getTime() - 1000)), firstIdAt(until)],
  );
  return rows;
}

async function listInboundCalls(
  db: Db,
  { tenant_id, campaign_id, id }: Pick<AttemptRecord, 'tenant_id' | 'campaign_id' | 'id'>,
): Promise<AttemptRecord['inbound_calls']> {
  const { rows } = await db.query<AttemptRecord['inbound_calls'][number]>(
    `SELECT id, began_at, ended_at, opted_out FROM inbound_calls
      WHERE tenant_id = $1 AND campaign_id = $2 AND attempt_id = $3 ORDER BY id`,
    [tenant_id, campaign_id, id],
  );
  return rows;
}
