import { setMaxListeners } from 'node:events';
import type { Context } from 'koa';
import { parseEventId } from '../../calls/event.js';
import { type EventBounds, findEventBounds, noteListener } from '../../db/events.js';
import type { TenantDatabase } from '../../db/pool.js';
import type { Logger } from '../../log.js';
import { FieldsInvalid } from '../problem.js';
import { Slots } from '../slots.js';
import { follow, type Start } from './follow.js';
import type { News } from './news.js';
import { SseReader } from './sse.js';

/** The streams of events that this process sends. */
export interface Streams {
  /**
   * Sends a tenant's events, or those of one campaign, from where `Last-Event-ID` says, else from now on; resolves when the
   * stream is over. Throws a CampanileError while nothing is sent: 422, 429 or 503.
   */
  send(call: StreamCall, campaignId: string | null): Promise<void>;
  /** Ends all of them; their clients come back to where they stood. */
  stop(): void;
}

export interface StreamCall {
  ctx: Context;
  db: TenantDatabase;
  tenant: { id: string };
  /** Whether it stays for what happens later. */
  query: { follow: boolean };
  recheck(): Promise<void>;
}

export interface StreamLimits {
  /** Streams at once, of this process and of one tenant. */
  most: number;
  mostPerTenant: number;
  /** How often an idle stream shows that it is alive, looks for itself, and is asked whether it may go on. */
  heartbeatMs: number;
}

const LIMITS: StreamLimits = { most: 500, mostPerTenant: 20, heartbeatMs: 15_000 };

export function createStreams(options: {
  log: Logger;
  news: News;
  limits?: StreamLimits | undefined;
}): Streams {
  const { log, news, limits = LIMITS } = options;
  const slots = new Slots(limits.most, limits.mostPerTenant, 'streams of events', {
    tooMany: 'too_many_event_streams',
    busy: 'event_streams_busy',
  });
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);

  return {
    async send(call, campaignId) {
      const { ctx, db, tenant } = call;
      const giveBack = slots.take(tenant.id);
      try {
        // First: from here on events are written for the tenant.
        await noteListener(db, tenant.id);
        const start = startOf(ctx, await findEventBounds(db, tenant.id));
        const reader = new SseReader(ctx);
        reader.begin();
        if (ctx.method === 'HEAD') return;
        const over = AbortSignal.any([stopping.signal, reader.gone]);
        await follow({
          ...call,
          reader,
          news,
          campaignId,
          start,
          over,
          heartbeatMs: limits.heartbeatMs,
        }).catch((err) => {
          if (!over.aborted)
            log.info({ err, tenant: tenant.id, campaign: campaignId }, 'ended a stream of events');
        });
        reader.end();
      } finally {
        giveBack();
      }
    },
    stop: () => stopping.abort(),
  };
}

function startOf(ctx: Context, { kept, last }: EventBounds): Start {
  const id = ctx.get('Last-Event-ID');
  if (id === '') return { place: { position: last, index: Number.POSITIVE_INFINITY }, missed: null };
  const place = parseEventId(id);
  if (!place || place.position > last) {
    const message = 'is not the id of an event: leave it out to get what happens from now on';
    throw new FieldsInvalid([{ field: 'Last-Event-ID', message }]);
  }
  return { place, missed: place.position < kept ? id : null };
}
