import { eventsOf } from '../calls/event.js';
import { findOutbox, notifyEvents, type PlacedEvents, placeEvents, tryRelayLock } from '../db/events.js';
import { type Pool, transaction } from '../db/pool.js';
import { insertDeliveries, type NewDelivery, notifyDeliveries } from '../db/webhook-deliveries.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import { createLoop, type Loop } from '../loop.js';

/** How often the outbox is looked at: an event is at most so much older when it is told. */
const EVERY_MS = 200;
/** Rows moved at once. */
const MOST = 500;

/**
 * Gives events their places, makes a delivery of each for every webhook that wants it, and tells all processes of them: all in
 * one transaction, of which the installation has one at a time (migration 0015).
 */
export function createRelay(pool: Pool, log: Logger): Loop {
  // All transactions before this one are over, and what they wrote has been moved.
  let settled = '0';

  async function pass(): Promise<boolean> {
    const { waits, oldest } = await findOutbox(pool, settled);
    const moved = waits ? await transaction(pool, move) : 0;
    // Another process is at it: what it moves, this one learns of when it looks again.
    if (moved === null) return false;
    if (moved < MOST) settled = oldest;
    return moved === MOST;
  }

  /** How many rows were moved; null when another process is the relay now. */
  const move: Parameters<typeof transaction<number | null>>[1] = async (tx) => {
    if (!(await tryRelayLock(tx))) return null;
    const { moved, placed } = await placeEvents(tx, settled, MOST);
    if (placed.length === 0) return moved;
    await notifyEvents(tx, [...new Set(placed.map((batch) => batch.tenant_id))]);
    const deliveries = placed.flatMap(deliveriesOf);
    if (deliveries.length === 0) return moved;
    await insertDeliveries(tx, deliveries);
    await notifyDeliveries(tx);
    return moved;
  };

  return createLoop({ name: 'relay events', everyMs: EVERY_MS, pass, log });
}

function deliveriesOf({ items, webhook_ids, ...batch }: PlacedEvents): NewDelivery[] {
  if (items === null) return [];
  return eventsOf({ ...batch, items }).flatMap((event) =>
    webhook_ids.map((webhookId) => ({
      tenantId: event.tenant_id,
      id: newId(),
      webhookId,
      eventId: event.id,
      type: event.type,
      body: JSON.stringify(event),
    })),
  );
}
