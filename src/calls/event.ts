import { causeOf } from './cause.js';
import type { Disposition } from './states.js';

/** What happens to a tenant's contacts, attempts and campaigns: what the triggers of migration 0015 write. */
export const EVENT_TYPES = [
  'attempt.started',
  'attempt.answered',
  'attempt.heard',
  'attempt.ended',
  'attempt.released',
  'contact.retrying',
  'contact.ended',
  'contacts.added',
  'contacts.cancelled',
  'contacts.expired',
  'campaign.changed',
  'inbound_call.ended',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** What a webhook may be sent: those, and what shows that it works. */
export const WEBHOOK_TEST = 'webhook.test';

/** Events of one kind that happened with one statement to one campaign. */
export interface EventBatch {
  tenant_id: string;
  campaign_id: string;
  /** Whether the campaign is a test. */
  test: boolean;
  /** Rises from batch to batch of a tenant. */
  position: number;
  type: EventType;
  at: Date;
  items: readonly Record<string, unknown>[];
}

/** One event, as a tenant gets it. */
export interface CampaignEvent {
  /** `POSITION-INDEX`: unique for the tenant. */
  id: string;
  type: EventType;
  /** RFC 3339, in UTC. */
  time: string;
  tenant_id: string;
  campaign_id: string;
  test: boolean;
  data: Record<string, unknown>;
}

/** The events of a batch, in their order. */
export function eventsOf(batch: EventBatch): CampaignEvent[] {
  const { tenant_id, campaign_id, test, position, type } = batch;
  const time = batch.at.toISOString();
  return batch.items.map((item, index) => {
    const data = inUtc(item);
    if (type === 'attempt.ended') data.cause = causeOf(item as Ended);
    return { id: `${position}-${index}`, type, time, tenant_id, campaign_id, test, data };
  });
}

type Ended = { disposition: Disposition; sip_status: number | null };

/** Postgres writes times into JSON with the zone of its connection. */
function inUtc(item: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(item).map(([name, value]) => [
      name,
      name.endsWith('_at') && typeof value === 'string' ? new Date(value).toISOString() : value,
    ]),
  );
}

/** Where a reader stands: the last event that he has, index -1 before the first of a position. */
export interface EventPlace {
  position: number;
  index: number;
}

/** The place of an event id; null for what is none. */
export function parseEventId(id: string): EventPlace | null {
  const [, position, index] = /^(\d{1,16})-(\d{1,6})$/.exec(id) ?? [];
  const place = { position: Number(position), index: Number(index) };
  return Number.isSafeInteger(place.position) ? place : null;
}
