import { type EventBatch, type EventPlace, eventsOf } from '../../calls/event.js';
import { findCampaignCounters } from '../../db/campaigns.js';
import { noteListener, readEvents } from '../../db/events.js';
import type { TenantDatabase } from '../../db/pool.js';
import type { News } from './news.js';
import { HEARTBEAT, renderEvent, type SseReader } from './sse.js';

/** Where a stream begins: behind that event. `missed` is its id where events between it and those that are kept may be gone. */
export interface Start {
  place: EventPlace;
  missed: string | null;
}

export interface Following {
  db: TenantDatabase;
  tenant: { id: string };
  campaignId: string | null;
  query: { follow: boolean };
  start: Start;
  reader: SseReader;
  news: News;
  /** The stream is to end. */
  over: AbortSignal;
  heartbeatMs: number;
  recheck(): Promise<void>;
}

/** Counters of a campaign are sent at most so often. */
const COUNTERS_MS = 1000;

/**
 * Sends events page by page, as fast as the reader takes them, and then what comes, until the stream is over. Holds neither a
 * connection of the database nor more than a page while it waits. Throws when the reader is gone or may not go on.
 */
export async function follow(following: Following): Promise<void> {
  const { db, tenant, campaignId, start, reader, over, heartbeatMs } = following;
  const wake = new Wake(following.news, tenant.id, over);
  const counters = new Counters(following);
  let position = start.place.position - 1;
  let aliveAt = Date.now();
  try {
    if (start.missed !== null) await reader.write(renderMissed(tenant.id, start.missed));
    while (!over.aborted) {
      const page = await readEvents(db, tenant.id, campaignId, position);
      position = page.position;
      for (const batch of page.batches) {
        const text = render(batch, start.place);
        if (text === '') continue;
        await reader.write(text);
        counters.changed.add(batch.campaign_id);
      }
      if (page.more) continue;
      if (!following.query.follow) return;
      await counters.send();
      if (Date.now() - aliveAt >= heartbeatMs) {
        await stayAlive(following);
        aliveAt = Date.now();
      }
      await wake.wait(Math.min(aliveAt + heartbeatMs - Date.now(), counters.dueInMs()));
    }
  } finally {
    wake.stop();
  }
}

async function stayAlive({ db, tenant, reader, recheck }: Following): Promise<void> {
  await recheck();
  await noteListener(db, tenant.id);
  await reader.write(HEARTBEAT);
}

function render(batch: EventBatch, { position, index }: EventPlace): string {
  const events = eventsOf(batch);
  return (batch.position === position ? events.slice(index + 1) : events).map(renderEvent).join('');
}

/** Tells a client that was away for too long that it does not get everything. */
function renderMissed(tenantId: string, after: string): string {
  const time = new Date().toISOString();
  return renderEvent({ type: 'events.missed', time, tenant_id: tenantId, data: { after } } as {
    type: string;
  });
}

/** The counters of the campaigns that changed, now and then. */
class Counters {
  readonly changed = new Set<string>();
  #sentAt = 0;

  constructor(private readonly following: Following) {
    // Whoever listens to one campaign learns first how it stands.
    if (following.campaignId !== null) this.changed.add(following.campaignId);
  }

  dueInMs(): number {
    if (this.changed.size === 0) return Number.POSITIVE_INFINITY;
    return Math.max(this.#sentAt + COUNTERS_MS - Date.now(), 0);
  }

  async send(): Promise<void> {
    if (this.dueInMs() > 0) return;
    const { db, tenant, reader } = this.following;
    const ids = [...this.changed];
    this.changed.clear();
    this.#sentAt = Date.now();
    const time = new Date().toISOString();
    for (const { id, test, ...data } of await findCampaignCounters(db, tenant.id, ids)) {
      const about = { type: 'campaign.counters', time, tenant_id: tenant.id, campaign_id: id, test };
      await reader.write(renderEvent({ ...about, data } as { type: string }));
    }
  }
}

/** Waits for news, which may have come since the last wait. Hints are hints: it never waits for longer than it is told. */
class Wake {
  #woken = false;
  #resolve: () => void = () => {};
  readonly #stop: () => void;

  constructor(news: News, tenantId: string, over: AbortSignal) {
    const wake = () => {
      this.#woken = true;
      this.#resolve();
    };
    this.#stop = news.listen(tenantId, wake);
    over.addEventListener('abort', wake);
  }

  async wait(ms: number): Promise<void> {
    if (!this.#woken) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        timer = setTimeout(resolve, Math.max(ms, 0));
      });
      clearTimeout(timer);
    }
    this.#woken = false;
  }

  stop(): void {
    this.#stop();
  }
}
