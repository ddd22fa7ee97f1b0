import { z } from 'zod';
import { parseDelays, RETRYABLE, type Retryable, type RetryRules } from '../../calls/retry.js';
import { CAMPAIGN_STATUSES, CONTACT_STATES, type ContactState } from '../../calls/states.js';
import { messageOf } from '../../errors.js';
import { callsPerSecond, e164, name, ports, time, uuid } from './common.js';

const DEFAULT_RETRY: RetryRules = { busy: '5m,15m', no_answer: '30m,2h', congestion: '1m*5' };

const delays = z
  .string()
  .max(200)
  .check(({ value, issues }) => {
    try {
      parseDelays(value);
    } catch (error) {
      issues.push({ code: 'custom', input: value, message: messageOf(error) });
    }
  })
  .meta({ description: 'The delay before each retry, e.g. 5m,15m or 1m*5', example: '5m,15m' });

const retry = z
  .strictObject(perKey(RETRYABLE, () => delays.exactOptional()) satisfies Record<Retryable, z.ZodType>)
  .meta({
    id: 'RetryRules',
    description: 'Delays by what an attempt ended as; what is not named is not retried',
  });

export const newCampaign = z
  .strictObject({
    name,
    trunk_id: uuid,
    message_id: uuid,
    caller_id: e164
      .nullable()
      .default(null)
      .meta({ description: 'Shown to the callee; null is the trunk’s own' }),
    ports: ports
      .nullable()
      .default(null)
      .meta({ description: 'Calls at once; null is without a limit of its own' }),
    calls_per_second: callsPerSecond.nullable().default(null),
    weight: z
      .int()
      .min(1)
      .max(1000)
      .default(1)
      .meta({ description: 'Its share of the ports among the tenant’s campaigns' }),
    ring_seconds: z.int().min(5).max(120).default(30),
    retry: retry.default(DEFAULT_RETRY),
    max_attempts: z
      .int()
      .min(1)
      .max(100)
      .default(5)
      .meta({ description: 'The most attempts at one contact, over all rules' }),
  })
  .meta({ id: 'NewCampaign' });

export const count = z.int().min(0);

export const campaign = z
  .strictObject({
    id: uuid,
    name: z.string(),
    status: z.enum(CAMPAIGN_STATUSES),
    trunk_id: uuid,
    message_id: uuid,
    caller_id: z.string().nullable(),
    ports: z.int().nullable(),
    calls_per_second: z.number().nullable(),
    weight: z.int(),
    ring_seconds: z.int(),
    retry,
    max_attempts: z.int(),
    created_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
    contacts: z
      .strictObject({
        total: count,
        ...(perKey(CONTACT_STATES, () => count) satisfies Record<ContactState, z.ZodType>),
      })
      .meta({ description: 'How many contacts are in each state, now' }),
    attempts: count,
    ports_in_use: count.meta({ description: 'Calls that are up or on their way, now' }),
  })
  .meta({ id: 'Campaign' });
export type ShownCampaign = z.output<typeof campaign>;

export function perKey<K extends string, T>(keys: readonly K[], make: () => T): Record<K, T> {
  return Object.fromEntries(keys.map((key) => [key, make()])) as Record<K, T>;
}
