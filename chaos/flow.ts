import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosLab } from './lab.js';
import type { Load } from './load.js';

/** What came of calls once the cause of a fault was gone. */
export interface Flow {
  /** Seconds until each tenant with contacts due was calling again; null: not within the patience. */
  seconds: number | null;
  /** The tenant that was last, or that did not call at all. */
  last: string;
}

const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 50;
const LONG_MS = 2000;

/**
 * Waits for an INVITE at the far end, later than `since` (milliseconds since 1970), of each tenant that has contacts due in a
 * running campaign.
 */
export async function untilCallsFlow(lab: ChaosLab, load: Load, since: number): Promise<Flow> {
  const ours = new Set(load.campaigns.map(({ tenantId }) => tenantId));
  const findDue = async () =>
    (
      await lab.query<{ tenant_id: string }>(
        `SELECT DISTINCT tenant_id FROM campaigns WHERE status = 'running' AND pending > 0`,
      )
    ).flatMap(({ tenant_id }) => (ours.has(tenant_id) ? [tenant_id] : []));
  const waitedFor = new Set(await findDue());
  let last = '';
  let seconds = 0;
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    for (const call of await lab.farEnd.calls()) {
      const tenant = call.mark?.split('.')[0];
      if (!tenant || call.invitedAt < since || !waitedFor.delete(tenant)) continue;
      last = tenant;
      seconds = Math.max(seconds, (call.invitedAt - since) / 1000);
    }
    if (waitedFor.size === 0) return { seconds, last };
    // Its campaign may have been stopped meanwhile.
    if (Date.now() > since + LONG_MS) {
      const due = await findDue();
      for (const tenant of waitedFor) if (!due.includes(tenant)) waitedFor.delete(tenant);
      if (waitedFor.size === 0) return { seconds, last };
    }
    if (Date.now() > deadline) return { seconds: null, last: [...waitedFor].join(', ') };
    await sleep(LOOK_EVERY_MS);
  }
}
