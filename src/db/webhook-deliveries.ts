import { firstIdAt } from '../ids.js';
import { EVENTS_KEPT_SECONDS } from './events.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One event on its way to one webhook, without its body. */
export interface Delivery {
  id: string;
  webhook_id: string;
  event_id: string;
  type: string;
  state: DeliveryState;
  attempts: number;
  next_attempt_at: Date | null;
  last_attempt_at: Date | null;
  /** Of the last attempt; null when there was no answer. */
  status_code: number | null;
  error: string | null;
  duration_ms: number | null;
  created_at: Date;
}

export interface NewDelivery {
  tenantId: string;
  id: string;
  webhookId: string;
  eventId: string;
  type: string;
  body: string;
}

const COLUMNS = `id, webhook_id, event_id, type, state, attempts, next_attempt_at, last_attempt_at, status_code, error,
  duration_ms, created_at`;

/** They are due at once. Those of webhooks that are gone meanwhile are left out. */
export async function insertDeliveries(db: Db, deliveries: readonly NewDelivery[]): Promise<Delivery[]> {
  const { rows } = await db.query<Delivery>(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, type, body)
      SELECT d."tenantId", d.id, d."webhookId", d."eventId", d.type, d.body
      FROM json_to_recordset($1::json)
        AS d("tenantId" uuid, id uuid, "webhookId" uuid, "eventId" text, type text, body text)
      WHERE EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = d."tenantId" AND w.id = d."webhookId" FOR KEY SHARE)
      RETURNING ${COLUMNS}`,
    [JSON.stringify(deliveries)],
  );
  return rows;
}

export async function findDeliveryById(db: Db, tenantId: string, id: string): Promise<Delivery | null> {
  const { rows } = await db.query<Delivery>(
    `SELECT ${COLUMNS} FROM webhook_deliveries WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** A webhook's deliveries, the newest first; in one state where that is not null. */
export async function listDeliveries(
  db: Db,
  tenantId: string,
  webhookId: string,
  state: DeliveryState | null,
  page: Page,
): Promise<Delivery[]> {
  const { rows } = await db.query<Delivery>(
    `SELECT ${COLUMNS} FROM webhook_deliveries
      WHERE tenant_id = $1 AND webhook_id = $2 AND ($3::text IS NULL OR state = $3) AND ($4::uuid IS NULL OR id < $4)
      ORDER BY id DESC LIMIT $5`,
    [tenantId, webhookId, state, page.after, page.limit],
  );
  return rows;
}

/** Has it sent again at once, with all its attempts before it; null when the tenant has no such delivery. */
export async function redeliver(db: Db, tenantId: string, id: string): Promise<Delivery | null> {
  const { rows } = await db.query<Delivery>(
    `UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_attempt_at = now()
      WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** Tells the processes that send that there is something to be sent. */
export async function notifyDeliveries(db: Db): Promise<void> {
  await db.query(`SELECT pg_notify('campanile_deliveries', '')`);
}

/** A delivery that this process is to send, with what that takes. */
export interface DueDelivery {
  tenant_id: string;
  id: string;
  webhook_id: string;
  type: string;
  body: string;
  /** This one included. */
  attempts: number;
  url: string;
  sealed_secret: Buffer;
  /** Null when the secret before is not to sign any more. */
  sealed_old_secret: Buffer | null;
}

/**
 * Takes up to `most` deliveries that are due, of each webhook no more than `mostPerWebhook` less what `underWay` says is being
 * sent, and keeps them from all others for `leaseSeconds`: when this process dies, another takes them then.
 */
export async function claimDeliveries(
  db: Db,
  most: number,
  mostPerWebhook: number,
  underWay: ReadonlyMap<string, number>,
  leaseSeconds: number,
): Promise<DueDelivery[]> {
  const { rows } = await db.query<DueDelivery>({
    name: 'claim-deliveries',
    // Webhook by webhook: a long queue before one that does not answer is not even looked at on behalf of the others.
    text: `WITH due AS MATERIALIZED (
        SELECT d.tenant_id, d.id, w.url, w.sealed_secret,
          CASE WHEN w.old_secret_until > now() THEN w.sealed_old_secret END AS sealed_old_secret
        FROM webhooks w
        LEFT JOIN unnest($3::uuid[], $4::integer[]) AS busy(webhook_id, n) ON busy.webhook_id = w.id
        CROSS JOIN LATERAL (
          SELECT tenant_id, id, next_attempt_at FROM webhook_deliveries
          WHERE webhook_id = w.id AND tenant_id = w.tenant_id AND state = 'pending'
            AND next_attempt_at <= statement_timestamp()
          ORDER BY next_attempt_at LIMIT greatest($2 - coalesce(busy.n, 0), 0) FOR UPDATE SKIP LOCKED) AS d
        WHERE w.enabled ORDER BY d.next_attempt_at LIMIT $1
      )
      UPDATE webhook_deliveries d SET attempts = d.attempts + 1, last_attempt_at = statement_timestamp(),
        next_attempt_at = statement_timestamp() + make_interval(secs => $5)
      FROM due WHERE d.tenant_id = due.tenant_id AND d.id = due.id
      RETURNING d.tenant_id, d.id, d.webhook_id, d.type, d.body, d.attempts, due.url, due.sealed_secret,
        due.sealed_old_secret`,
    values: [most, mostPerWebhook, [...underWay.keys()], [...underWay.values()], leaseSeconds],
  });
  return rows;
}

/** What an attempt came to. */
export interface Outcome {
  statusCode: number | null;
  /** Null when it was delivered. */
  error: string | null;
  durationMs: number;
  /** Seconds until the next attempt; null when there is none. */
  retryInSeconds: number | null;
  /** Why the webhook is to be sent nothing any more; null when it may go on. */
  disable: string | null;
}

/** A webhook that has failed for so long is disabled. */
const FAILING_DAYS = 5;

/**
 * Writes down what an attempt came to, unless somebody else has taken the delivery meanwhile, or the tenant has asked for it
 * again.
 */
export async function finishAttempt(tx: Tx, delivery: DueDelivery, outcome: Outcome): Promise<void> {
  const { tenant_id, id, webhook_id, attempts } = delivery;
  const state = outcome.error === null ? 'delivered' : outcome.retryInSeconds === null ? 'failed' : 'pending';
  const { rowCount } = await tx.query({
    name: 'finish-delivery',
    text: `UPDATE webhook_deliveries SET state = $4, status_code = $5, error = $6, duration_ms = $7,
        next_attempt_at = CASE WHEN $4 = 'pending' THEN statement_timestamp() + make_interval(secs => $8) END
      WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND state = 'pending'`,
    values: [
      tenant_id,
      id,
      attempts,
      state,
      outcome.statusCode,
      outcome.error,
      outcome.durationMs,
      outcome.retryInSeconds ?? 0,
    ],
  });
  if (rowCount === 0) return;
  if (outcome.error === null) {
    await tx.query(
      `UPDATE webhooks SET failing_since = NULL WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL`,
      [tenant_id, webhook_id],
    );
    return;
  }
  await tx.query(
    `UPDATE webhooks SET failing_since = coalesce(failing_since, statement_timestamp()),
        enabled = failing_since IS NULL AND $3::text IS NULL,
        disabled_reason = coalesce($3, CASE WHEN failing_since IS NOT NULL
          THEN 'every delivery failed for ${FAILING_DAYS} days' END)
      WHERE tenant_id = $1 AND id = $2 AND enabled AND (failing_since IS NULL OR $3::text IS NOT NULL
        OR failing_since < statement_timestamp() - interval '${FAILING_DAYS} days')`,
    [tenant_id, webhook_id, outcome.disable],
  );
}

/** Deletes up to `most` deliveries that were kept as long as events are, and returns how many those were. */
export async function deleteOldDeliveries(db: Db, most: number): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM webhook_deliveries d USING (
        SELECT o.* FROM tenants t CROSS JOIN LATERAL (
          SELECT tenant_id, id FROM webhook_deliveries WHERE tenant_id = t.id AND id < $1 ORDER BY id LIMIT $2) AS o
        LIMIT $2) AS old
      WHERE d.tenant_id = old.tenant_id AND d.id = old.id`,
    [firstIdAt(new Date(Date.now() - EVENTS_KEPT_SECONDS * 1000)), most],
  );
  return rowCount ?? 0;
}
