import type { EventType } from '../calls/event.js';
import type { Db } from './pool.js';
import type { Page } from './tenants.js';

/** Where a tenant has its events sent. */
export interface Webhook {
  id: string;
  url: string;
  events: (EventType | '*')[];
  enabled: boolean;
  /** Why it was disabled, when that was not the tenant. */
  disabled_reason: string | null;
  /** Since when nothing but failures. */
  failing_since: Date | null;
  /** Until when the secret before the present one signs along. */
  old_secret_until: Date | null;
  created_at: Date;
}

const COLUMNS = `id, url, events, enabled, disabled_reason, failing_since,
  CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until, created_at`;

export async function insertWebhook(
  db: Db,
  tenantId: string,
  webhook: Pick<Webhook, 'id' | 'url' | 'events' | 'enabled'> & { sealedSecret: Buffer },
): Promise<Webhook> {
  const { rows } = await db.query<Webhook>(
    `INSERT INTO webhooks (tenant_id, id, url, events, enabled, sealed_secret)
      VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
    [tenantId, webhook.id, webhook.url, webhook.events, webhook.enabled, webhook.sealedSecret],
  );
  return rows[0]!;
}

export async function countWebhooks(db: Db, tenantId: string): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    'SELECT count(*)::integer AS n FROM webhooks WHERE tenant_id = $1',
    [tenantId],
  );
  return rows[0]!.n;
}

export async function findWebhookById(db: Db, tenantId: string, id: string): Promise<Webhook | null> {
  const { rows } = await db.query<Webhook>(
    `SELECT ${COLUMNS} FROM webhooks WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

export async function listWebhooks(db: Db, tenantId: string, page: Page): Promise<Webhook[]> {
  const { rows } = await db.query<Webhook>(
    `SELECT ${COLUMNS} FROM webhooks WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

/** Sets what is given; null when the tenant has no such webhook. Who enables it begins anew: why it was disabled is forgotten. */
export async function updateWebhook(
  db: Db,
  tenantId: string,
  id: string,
  changes: {
    url?: string | undefined;
    events?: Webhook['events'] | undefined;
    enabled?: boolean | undefined;
  },
): Promise<Webhook | null> {
  const { rows } = await db.query<Webhook>(
    `UPDATE webhooks SET url = coalesce($3, url), events = coalesce($4::text[], events), enabled = coalesce($5, enabled),
        disabled_reason = CASE WHEN $5 THEN NULL ELSE disabled_reason END,
        failing_since = CASE WHEN $5 AND NOT enabled THEN NULL ELSE failing_since END
      WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, id, changes.url ?? null, changes.events ?? null, changes.enabled ?? null],
  );
  return rows[0] ?? null;
}

/** Gives it another secret; a trigger keeps the old one for a day. Null when the tenant has no such webhook. */
export async function updateWebhookSecret(
  db: Db,
  tenantId: string,
  id: string,
  sealedSecret: Buffer,
): Promise<Webhook | null> {
  const { rows } = await db.query<Webhook>(
    `UPDATE webhooks SET sealed_secret = $3 WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, id, sealedSecret],
  );
  return rows[0] ?? null;
}

/** Deletes it with its deliveries; false when the tenant has no such webhook. */
export async function deleteWebhook(db: Db, tenantId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.query('DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ]);
  return rowCount === 1;
}
