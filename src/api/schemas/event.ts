import { z } from 'zod';
import { WEBHOOK_TEST } from '../../calls/event.js';
import { CAMPAIGN_STATUSES, CONTACT_STATES, DISPOSITIONS, FINAL_CONTACT_STATES } from '../../calls/states.js';
import { attempt } from './attempt.js';
import { time, uuid } from './common.js';
import { inboundCall } from './inbound-call.js';

const id = z.string().meta({ description: 'Unique for the tenant', example: '1795312096123456-0' });
const of = { attempt_id: uuid, contact_id: uuid, number: z.string(), ordinal: attempt.shape.ordinal };
const contact = { contact_id: uuid, number: z.string(), attempts: z.int() };
const count = z.strictObject({ count: z.int() });
const test = z.boolean().meta({ description: 'Whether the campaign is a test: nobody is called' });

/** One event of a campaign. */
function event<T extends string, D extends z.ZodType>(type: T, description: string, data: D) {
  return z
    .strictObject({ id, type: z.literal(type), time, tenant_id: uuid, campaign_id: uuid, test, data })
    .meta({ id: nameOf(type), description });
}

function nameOf(type: string): string {
  return `${type.replace(/(?:^|\.)(\w)/g, (_, letter: string) => letter.toUpperCase())}Event`;
}

const KINDS = [
  event(
    'attempt.started',
    'A call is on its way',
    z.strictObject({ ...of, trunk_id: uuid, claimed_at: time }),
  ),
  event('attempt.answered', 'Somebody answered', z.strictObject({ ...of, answered_at: time })),
  event(
    'attempt.heard',
    'The message is over: how much of it was heard, and the key that was pressed. When the callee hangs up, it may come after the end',
    z.strictObject({ ...of, heard_seconds: z.number(), key: z.string().nullable() }),
  ),
  event(
    'attempt.ended',
    'A call is over',
    attempt
      .omit({ id: true, campaign_id: true, state: true, test: true })
      .extend({ attempt_id: uuid, disposition: z.enum(DISPOSITIONS), ended_at: time }),
  ),
  event(
    'attempt.released',
    'A call that was started could not be placed after all: it does not count, and the contact is due as before',
    z.strictObject({ contact_id: uuid, number: z.string(), ordinal: attempt.shape.ordinal }),
  ),
  event('contact.retrying', 'The contact is called again', z.strictObject({ ...contact, due_at: time })),
  event(
    'contact.ended',
    'The contact is not called any more',
    z.strictObject({
      ...contact,
      state: z.enum(FINAL_CONTACT_STATES),
      fields: z.record(z.string(), z.unknown()),
    }),
  ),
  event('contacts.added', 'Contacts were added, by an upload or an import', count),
  event('contacts.cancelled', 'Contacts that waited were cancelled with their campaign', count),
  event('contacts.expired', 'Contacts that waited at the end of their campaign’s time', count),
  event(
    'campaign.changed',
    'The campaign has another status',
    z.strictObject({
      name: z.string(),
      status: z.enum(CAMPAIGN_STATUSES),
      reason: z.string().nullable().meta({ description: 'Why it was paused, when that was not the tenant' }),
    }),
  ),
  event(
    'inbound_call.ended',
    'Somebody called back, and was spoken to: what came of it',
    inboundCall.omit({ id: true, campaign_id: true }).extend({ inbound_call_id: uuid, ended_at: time }),
  ),
] as const;

/** An event that is kept: in streams and to webhooks. */
export const campaignEvent = z.discriminatedUnion('type', KINDS).meta({ id: 'Event' });

const counters = z
  .strictObject({
    type: z.literal('campaign.counters'),
    time,
    tenant_id: uuid,
    campaign_id: uuid,
    test,
    data: z.strictObject({
      status: z.enum(CAMPAIGN_STATUSES),
      ...(Object.fromEntries(CONTACT_STATES.map((state) => [state, z.int()])) as Record<
        (typeof CONTACT_STATES)[number],
        z.ZodInt
      >),
      attempts: z.int(),
      ports_in_use: z.int(),
    }),
  })
  .meta({
    id: 'CampaignCountersEvent',
    description:
      'Contacts by state, at most once a second for a campaign; in streams only, and without an id',
  });

const missed = z
  .strictObject({
    type: z.literal('events.missed'),
    time,
    tenant_id: uuid,
    data: z.strictObject({ after: z.string() }),
  })
  .meta({
    id: 'EventsMissedEvent',
    description:
      'Events behind the Last-Event-ID are not kept any more: read the reports or exports for what happened meanwhile',
  });

/** What the data lines of a stream hold. */
export const streamEvent = z
  .discriminatedUnion('type', [...KINDS, counters, missed])
  .meta({ id: 'StreamEvent' });

/** What is sent to a webhook to try it. */
export const webhookTest = z
  .strictObject({
    id: z.string(),
    type: z.literal(WEBHOOK_TEST),
    time,
    tenant_id: uuid,
    data: z.strictObject({ webhook_id: uuid }),
  })
  .meta({ id: 'WebhookTestEvent' });
