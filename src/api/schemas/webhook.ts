import { z } from 'zod';
import { EVENT_TYPES } from '../../calls/event.js';
import { DELIVERY_STATES } from '../../db/webhook-deliveries.js';
import { time, uuid } from './common.js';

const url = z
  .string()
  .max(2000)
  .refine((text) => isWebUrl(text), 'must be an https:// URL without a user, password or fragment')
  .meta({
    description:
      'https, at an address of the internet; plain http and private addresses where the operator allows them',
    example: 'https://crm.example.com/campanile',
  });

function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '' && hash === '';
}

const events = z
  .array(z.enum([...EVENT_TYPES, '*']))
  .min(1)
  .max(EVENT_TYPES.length + 1)
  .refine((list) => new Set(list).size === list.length, 'must not name a type twice')
  .meta({
    description: 'The types of events that are sent; * is all',
    example: ['attempt.ended', 'contact.ended'],
  });

export const newWebhook = z
  .strictObject({ url, events: events.default(['*']), enabled: z.boolean().default(true) })
  .meta({ id: 'NewWebhook' });

export const webhookChanges = z
  .strictObject({ url: url.optional(), events: events.optional(), enabled: z.boolean().optional() })
  .meta({ id: 'WebhookChanges' });

export const webhook = z
  .strictObject({
    id: uuid,
    url: z.string(),
    events: z.array(z.enum([...EVENT_TYPES, '*'])),
    enabled: z.boolean(),
    disabled_reason: z
      .string()
      .nullable()
      .meta({ description: 'Why it was disabled, when that was not you' }),
    failing_since: time.nullable().meta({
      description: 'Since when no delivery has succeeded; after 5 days of that a webhook is disabled',
    }),
    old_secret_until: time
      .nullable()
      .meta({ description: 'Until when the secret before the present one signs along' }),
    created_at: time,
  })
  .meta({ id: 'Webhook' });

export const createdWebhook = webhook
  .extend({
    secret: z.string().meta({
      description: 'What deliveries are signed with: shown here and never again',
      example: 'whsec_...',
    }),
  })
  .meta({ id: 'CreatedWebhook' });

export const delivery = z
  .strictObject({
    id: uuid.meta({ description: 'The webhook-id header, the same for every attempt' }),
    webhook_id: uuid,
    event_id: z.string(),
    type: z.string(),
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    next_attempt_at: time.nullable(),
    last_attempt_at: time.nullable(),
    status_code: z
      .int()
      .nullable()
      .meta({ description: 'Of the last attempt; null when there was no answer' }),
    error: z.string().nullable().meta({ description: 'What was wrong with the last attempt' }),
    duration_ms: z.int().nullable(),
    created_at: time,
  })
  .meta({ id: 'WebhookDelivery' });

export const deliveryState = z.enum(DELIVERY_STATES);
