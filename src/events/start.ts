import { deleteOldEvents } from '../db/events.js';
import { listen } from '../db/listen.js';
import { createPool, type Pool } from '../db/pool.js';
import { deleteOldDeliveries } from '../db/webhook-deliveries.js';
import { createDuties } from '../duties.js';
import type { Logger } from '../log.js';
import { createWebhookSeal } from '../seal.js';
import { createShutdown } from '../shutdown.js';
import { createRelay } from './relay.js';
import { createSender } from './webhooks/sender.js';

/** So many rows are deleted in a fraction of a second. */
const DELETED_AT_ONCE = 10_000;

/**
 * Starts what brings events to those who want them: the relay, the sending of webhooks and the end of what is old. Any number of
 * processes may. `onEvents` is called with what `notifyEvents` told.
 */
export async function startEvents(options: {
  /** The database's. */
  url: string;
  secret: Uint8Array;
  allowPrivateHosts: boolean;
  log: Logger;
  /** Told of its connections to the database. */
  onPool(pool: Pool): void;
  onEvents(payload: string): void;
}): Promise<{ stop(): Promise<void> }> {
  const { url, secret, allowPrivateHosts, log, onPool, onEvents } = options;
  const shutdown = createShutdown();
  const pool = createPool(url, log, { name: 'campanile events', max: 4 });
  shutdown.add(() => pool.end());
  onPool(pool);
  const relay = createRelay(pool, log);
  const sender = createSender({ pool, secrets: createWebhookSeal(secret), allowPrivateHosts, log });
  const listener = listen(
    url,
    ['campanile_events', 'campanile_deliveries'],
    (channel, payload) => (channel === 'campanile_events' ? onEvents(payload) : sender.wake()),
    log,
  );
  const duties = createDuties(
    [
      {
        everySeconds: 60,
        name: 'delete old events',
        run: () => deleteAll((most) => deleteOldEvents(pool, most)),
      },
      {
        everySeconds: 60,
        name: 'delete old webhook deliveries',
        run: () => deleteAll((most) => deleteOldDeliveries(pool, most)),
      },
    ],
    log,
  );
  await listener.start();
  shutdown.add(() => listener.stop());
  duties.start();
  shutdown.add(() => duties.stop());
  relay.start();
  shutdown.add(relay.stop);
  sender.start();
  shutdown.add(sender.stop);
  return { stop: shutdown.stop };
}

async function deleteAll(deleteSome: (most: number) => Promise<number>): Promise<number> {
  for (let sum = 0; ; ) {
    const deleted = await deleteSome(DELETED_AT_ONCE);
    sum += deleted;
    if (deleted < DELETED_AT_ONCE) return sum;
  }
}
