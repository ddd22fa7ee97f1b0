import type { EventBatch } from '../calls/event.js';
import type { Db, Tx } from './pool.js';

/** How long events and webhook deliveries are kept. The triggers of migration 0015 know the three days too. */
export const EVENTS_KEPT_SECONDS = 3 * 86_400;

const RELAY = 0x72656c61; // "rela"

/** What moved to its place; with its items only where a webhook wants it. */
export interface PlacedEvents extends Omit<EventBatch, 'items'> {
  items: EventBatch['items'] | null;
  webhook_ids: string[];
}

/**
 * Whether something waits to be moved that was written by transaction `settled` or a later one, and the oldest transaction that
 * still runs: what those before it wrote can be seen by every statement that follows.
 */
export async function findOutbox(db: Db, settled: string): Promise<{ waits: boolean; oldest: string }> {
  const { rows } = await db.query<{ waits: boolean; oldest: string }>({
    name: 'find-outbox',
    text: `SELECT EXISTS (SELECT FROM event_outbox WHERE xid >= $1::xid8) AS waits,
        pg_snapshot_xmin(pg_current_snapshot())::text AS oldest`,
    values: [settled],
  });
  return rows[0]!;
}

/**
 * Becomes the one relay until the transaction ends; false when another is at work. It is a statement of its own, so that those
 * which follow see all that the relay before has committed.
 */
export async function tryRelayLock(tx: Tx): Promise<boolean> {
  const { rows } = await tx.query<{ ours: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS ours', [RELAY]);
  return rows[0]!.ours;
}

/**
 * Moves up to `most` rows from the outbox into their places: see migration 0015. Only for who holds the relay's lock. Events
 * of tenants that are gone are dropped, and those of tries, which are no campaign's. `moved` is how many rows the outbox has less.
 */
export async function placeEvents(
  tx: Tx,
  settled: string,
  most: number,
): Promise<{ moved: number; placed: PlacedEvents[] }> {
  const { rows } = await tx.query<PlacedEvents & { moved: number }>({
    name: 'place-events',
    text: `WITH waiting AS MATERIALIZED (
        SELECT xid, seq FROM event_outbox WHERE xid >= $1::xid8 ORDER BY seq LIMIT $2
      ), moved AS (
        DELETE FROM event_outbox o USING waiting w WHERE o.xid = w.xid AND o.seq = w.seq RETURNING o.*
      ), special AS MATERIALIZED (
        SELECT p.tenant_id, p.id, p.test, p.is_try FROM (SELECT DISTINCT tenant_id, campaign_id FROM moved) AS m
        JOIN campaigns p ON p.tenant_id = m.tenant_id AND p.id = m.campaign_id WHERE p.test OR p.is_try
      ), placed AS (
        INSERT INTO events (tenant_id, position, campaign_id, test, type, at, items)
        SELECT m.tenant_id, greatest(last.position, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
            + row_number() OVER (PARTITION BY m.tenant_id ORDER BY m.seq),
          m.campaign_id, s.test IS TRUE, m.type, m.at, m.items
        FROM moved m JOIN tenants t ON t.id = m.tenant_id
        LEFT JOIN special s ON s.tenant_id = m.tenant_id AND s.id = m.campaign_id
        LEFT JOIN LATERAL (
          SELECT e.position FROM events e WHERE e.tenant_id = m.tenant_id ORDER BY e.position DESC LIMIT 1) AS last ON true
        WHERE s.is_try IS NOT TRUE
        RETURNING *
      )
      SELECT (SELECT count(*) FROM moved)::integer AS moved, p.tenant_id, p.position, p.campaign_id, p.test, p.type, p.at,
        w.ids AS webhook_ids, CASE WHEN w.ids <> '{}' THEN p.items END AS items
      FROM (SELECT) AS always LEFT JOIN placed p ON true
      CROSS JOIN LATERAL (SELECT ARRAY(
          SELECT id FROM webhooks w WHERE w.tenant_id = p.tenant_id AND w.enabled AND w.events && ARRAY[p.type, '*']
        ) AS ids) AS w
      ORDER BY p.tenant_id, p.position`,
    values: [settled, most],
  });
  return { moved: rows[0]!.moved, placed: rows.filter((row) => row.tenant_id !== null) };
}

/** Tells every process, once the transaction commits, of which tenants there are new events; none named means of any. */
export async function notifyEvents(tx: Tx, tenantIds: readonly string[]): Promise<void> {
  const payload = tenantIds.length <= MOST_NAMED ? tenantIds.join(' ') : '';
  await tx.query(`SELECT pg_notify('campanile_events', $1)`, [payload]);
}

/** NOTIFY carries less than 8000 bytes. */
const MOST_NAMED = 200;

/** Has events written for the tenant from now on, and for three days more. */
export async function noteListener(db: Db, tenantId: string): Promise<void> {
  await db.query(
    `INSERT INTO event_listeners (tenant_id, listened_at) VALUES ($1, now())
      ON CONFLICT (tenant_id) DO UPDATE SET listened_at = now()
      WHERE event_listeners.listened_at < now() - interval '1 hour'`,
    [tenantId],
  );
}

/** A piece of a tenant's events. */
export interface EventPage {
  /** Those that were asked for. */
  batches: EventBatch[];
  /** How far it reaches: the next page begins behind it. */
  position: number;
  /** Whether it may not be the last. */
  more: boolean;
}

/** Rows, and stored bytes, of a page. It has one row at least. */
const PAGE_ROWS = 500;
const PAGE_BYTES = 128 * 1024;

/**
 * The tenant's events behind `after`; those of one campaign where `campaignId` is not null. A page bounds what is looked at and
 * not what is found, so that whoever listens to a quiet campaign of a busy tenant gets on as well.
 */
export async function readEvents(
  db: Db,
  tenantId: string,
  campaignId: string | null,
  after: number,
): Promise<EventPage> {
  const { rows } = await db.query<EventBatch & { wanted: boolean; found: number }>(
    `SELECT tenant_id, position, campaign_id, test, type, at, wanted, found, CASE WHEN wanted THEN items END AS items
      FROM (
        SELECT *, sum(bytes) OVER (ORDER BY position) - bytes AS before, (count(*) OVER ())::integer AS found
        FROM (
          SELECT events.*, w.wanted, CASE WHEN w.wanted THEN pg_column_size(items) ELSE 0 END AS bytes
          FROM events CROSS JOIN LATERAL (SELECT $2::uuid IS NULL OR campaign_id = $2 AS wanted) AS w
          WHERE tenant_id = $1 AND position > $3 ORDER BY position LIMIT ${PAGE_ROWS}) AS page
      ) AS measured WHERE before < ${PAGE_BYTES} ORDER BY position`,
    [tenantId, campaignId, after],
  );
  return {
    batches: rows.filter(({ wanted }) => wanted),
    position: rows.at(-1)?.position ?? after,
    more: rows.length > 0 && (rows[0]!.found === PAGE_ROWS || rows.length < rows[0]!.found),
  };
}

/** Where a tenant's events begin and end: positions by the clock of the database, which gives them out. */
export interface EventBounds {
  /** Events before this one may be gone. */
  kept: number;
  /** The last event's; of this moment when there is none. */
  last: number;
}

export async function findEventBounds(db: Db, tenantId: string): Promise<EventBounds> {
  const { rows } = await db.query<EventBounds>(
    `SELECT ((n.seconds - $2::integer) * 1000000)::bigint AS kept,
        coalesce((SELECT position FROM events WHERE tenant_id = $1 ORDER BY position DESC LIMIT 1),
          (n.seconds * 1000000)::bigint) AS last
      FROM (SELECT extract(epoch FROM clock_timestamp()) AS seconds) AS n`,
    [tenantId, EVENTS_KEPT_SECONDS],
  );
  return rows[0]!;
}

/** Deletes up to `most` events that were kept long enough, and returns how many those were. */
export async function deleteOldEvents(db: Db, most: number): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM events e USING (
        SELECT o.* FROM tenants t CROSS JOIN LATERAL (
          SELECT tenant_id, position FROM events WHERE tenant_id = t.id
            AND position < ((extract(epoch FROM now()) - $1::integer) * 1000000)::bigint
          ORDER BY position LIMIT $2) AS o
        LIMIT $2) AS old
      WHERE e.tenant_id = old.tenant_id AND e.position = old.position`,
    [EVENTS_KEPT_SECONDS, most],
  );
  return rowCount ?? 0;
}
