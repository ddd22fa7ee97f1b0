import type { Pool } from '../../src/db/pool.js';
import { createRelay } from '../../src/events/relay.js';
import { until } from '../../src/lab/condition.js';
import { createLog } from '../../src/log.js';

export interface EventRow {
  tenant_id: string;
  position: number;
  campaign_id: string;
  type: string;
  items: Record<string, unknown>[];
}

/** Runs a relay until what is committed has its place, and stops it. */
export async function relayAll(pool: Pool): Promise<void> {
  const relay = createRelay(pool, createLog('silent'));
  relay.start();
  const empty = async () => (await pool.query('SELECT FROM event_outbox')).rowCount === 0;
  const done = await until(empty, { timeoutMs: 10_000 });
  await relay.stop();
  if (!done) throw new Error('the relay left something in the outbox');
}

/** A tenant's events in their order, one row for each batch. */
export async function eventRows(pool: Pool, tenantId: string): Promise<EventRow[]> {
  const { rows } = await pool.query<EventRow>(
    'SELECT tenant_id, position, campaign_id, type, items FROM events WHERE tenant_id = $1 ORDER BY position',
    [tenantId],
  );
  return rows;
}

/** Has events written for the tenant. */
export async function wantEvents(pool: Pool, tenantId: string): Promise<void> {
  await pool.query(
    'INSERT INTO event_listeners VALUES ($1, now()) ON CONFLICT (tenant_id) DO UPDATE SET listened_at = now()',
    [tenantId],
  );
}
