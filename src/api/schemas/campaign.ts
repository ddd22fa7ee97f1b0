import { z } from 'zod';
import { KEYS } from '../../calls/flow/schema.js';
import { parseDelays, RETRYABLE, type Retryable, type RetryRules } from '../../calls/retry.js';
import { CAMPAIGN_STATUSES, CONTACT_STATES, type ContactState } from '../../calls/states.js';
import { parseWindow, WEEKDAYS } from '../../calls/window.js';
import { messageOf } from '../../errors.js';
import { callsPerSecond, e164, name, ports, share, time, uuid } from './common.js';
import { machineDetection } from './machine.js';

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

const callingWindow = z
  .strictObject({
    weekdays: z.array(z.enum(WEEKDAYS)).min(1).max(7),
    hours: z
      .array(z.string())
      .min(1)
      .max(24)
      .meta({
        description: 'Local times; a range whose end is not after its start runs over midnight',
        example: ['09:00-12:30', '14:00-20:00'],
      }),
    except_dates: z
      .array(z.string())
      .max(1000)
      .default([])
      .meta({ example: ['2026-12-25'] }),
    zone: z.string().optional().meta({
      description:
        'An IANA time zone, or `contact` for those that each contact may be in: open in all of them. Without it the tenant’s `time_zone` as it is now',
      example: 'contact',
    }),
  })
  .check(({ value, issues }) => {
    const parsed = parseWindow({ ...value, zone: value.zone ?? 'contact' });
    if ('window' in parsed) return;
    for (const { field, message } of parsed.problems) {
      const path = field
        .split('/')
        .slice(1)
        .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
      issues.push({ code: 'custom', input: value, path, message });
    }
  })
  .meta({ id: 'CallingWindow' });

const instant = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-11-21T09:00:00Z' })
  .refine(hasFourDigitYear, 'must be in the years 1 to 9999, in UTC')
  .transform((text) => new Date(text));

/** Postgres and JSON write others in forms of their own. */
function hasFourDigitYear(text: string): boolean {
  const year = new Date(text).getUTCFullYear();
  return year >= 1 && year <= 9999;
}

const settings = {
  name,
  trunk_ids: z
    .array(uuid)
    .min(1)
    .max(10)
    .refine((ids) => new Set(ids).size === ids.length, 'must not name a trunk twice')
    .meta({
      description:
        'In order: where a trunk has no free port, rests or cannot be dialled through, or a call fails on it as congestion or unreachable, the next is tried',
    }),
  message_id: uuid.meta({ description: 'What is played; a campaign has either this or `flow_id`' }),
  flow_id: uuid.meta({
    description:
      'What the call does, instead of `message_id`; the start takes its newest version, and the campaign keeps it',
  }),
  opt_out_key: z
    .enum([...KEYS])
    .nullable()
    .meta({
      description:
        'With `message_id`: heard all through the message; whoever presses it is suppressed and the call ends. A flow has its own',
    }),
  caller_id: e164.nullable().meta({ description: 'Shown to the callee; null is the trunk’s own' }),
  ports: ports.nullable().meta({ description: 'Calls at once; null is without a limit of its own' }),
  calls_per_second: callsPerSecond.nullable(),
  weight: z
    .int()
    .min(1)
    .max(1000)
    .meta({ description: 'Its share of the ports among the tenant’s campaigns' }),
  ring_seconds: z.int().min(5).max(120),
  retry,
  max_attempts: z.int().min(1).max(100).meta({
    description:
      'The most attempts at one contact, over all rules; one on each trunk in turn, until one gets through, counts once',
  }),
  suppression_max_age_days: z.int().min(0).max(3650).nullable().meta({
    description:
      'It starts only when the tenant has suppression lists and none is more days old; null: it does not matter',
  }),
  requires_consent: z
    .boolean()
    .meta({ description: 'Contacts without a `consent_basis` are not called, and end as `no_consent`' }),
  machine_detection: machineDetection.nullable().meta({
    description: 'Tells machines from persons; null: everybody who answers hears the message at once',
  }),
  inbound_message_id: uuid.nullable().meta({
    description:
      'What whoever calls the caller id back hears; null: the message or flow that he would have heard',
  }),
  calling_window: callingWindow
    .nullable()
    .meta({ description: 'When calls may be placed; null: at any time' }),
  start_at: instant.nullable().meta({ description: 'Nobody is called before' }),
  end_at: instant.nullable().meta({ description: 'Contacts that were not reached by then are expired' }),
  max_abandoned_percent: share(100).nullable().meta({
    description:
      'It is paused when more of its transfers in 30 days were abandoned, of 50 at least; the law of the US says 3. Null: it does not matter',
  }),
};

const test = z.boolean().meta({
  description:
    'A test: everything but the trunk is real, nobody is called, and the number decides what comes of a call (docs/test-mode.md). Fixed when it is created',
});

export const newCampaign = z
  .strictObject({
    ...settings,
    test: test.default(false),
    message_id: settings.message_id.optional(),
    flow_id: settings.flow_id.optional(),
    opt_out_key: settings.opt_out_key.default(null),
    caller_id: settings.caller_id.default(null),
    ports: settings.ports.default(null),
    calls_per_second: settings.calls_per_second.default(null),
    weight: settings.weight.default(1),
    ring_seconds: settings.ring_seconds.default(30),
    retry: retry.default(DEFAULT_RETRY),
    max_attempts: settings.max_attempts.default(5),
    suppression_max_age_days: settings.suppression_max_age_days.default(null),
    requires_consent: settings.requires_consent.default(false),
    machine_detection: settings.machine_detection.default(null),
    inbound_message_id: settings.inbound_message_id.default(null),
    calling_window: settings.calling_window.default(null),
    start_at: settings.start_at.default(null),
    end_at: settings.end_at.default(null),
    max_abandoned_percent: settings.max_abandoned_percent.default(null),
  })
  .meta({ id: 'NewCampaign', description: 'With either `message_id` or `flow_id`' });

export const campaignChanges = z
  .strictObject({
    name: settings.name.exactOptional(),
    trunk_ids: settings.trunk_ids.exactOptional(),
    message_id: settings.message_id.exactOptional(),
    flow_id: settings.flow_id.exactOptional(),
    flow_version: z.int().min(1).exactOptional().meta({
      description: 'Of a paused campaign: another version of its flow, such as the newest',
    }),
    opt_out_key: settings.opt_out_key.exactOptional(),
    caller_id: settings.caller_id.exactOptional(),
    ports: settings.ports.exactOptional(),
    calls_per_second: settings.calls_per_second.exactOptional(),
    weight: settings.weight.exactOptional(),
    ring_seconds: settings.ring_seconds.exactOptional(),
    retry: retry.exactOptional(),
    max_attempts: settings.max_attempts.exactOptional(),
    suppression_max_age_days: settings.suppression_max_age_days.exactOptional(),
    requires_consent: settings.requires_consent.exactOptional(),
    machine_detection: settings.machine_detection.exactOptional(),
    inbound_message_id: settings.inbound_message_id.exactOptional(),
    calling_window: settings.calling_window.exactOptional(),
    start_at: settings.start_at.exactOptional(),
    end_at: settings.end_at.exactOptional(),
    max_abandoned_percent: settings.max_abandoned_percent.exactOptional(),
  })
  .meta({ id: 'CampaignChanges', description: 'What is not named stays as it is' });

export const campaignCopy = z
  .strictObject({ name: name.exactOptional() })
  .meta({ id: 'CampaignCopy', description: 'The name of the copy; without it “Copy of …”' });

export const count = z.int().min(0);

export const campaign = z
  .strictObject({
    id: uuid,
    name: z.string(),
    test,
    status: z.enum(CAMPAIGN_STATUSES),
    trunk_ids: z.array(uuid).meta({
      description: 'In order; without those that were deleted since it ended',
    }),
    message_id: uuid.nullable(),
    flow_id: uuid.nullable(),
    flow_version: z.int().nullable().meta({
      description:
        'The version of the flow that it goes by; null in a draft, which takes the newest when it is started',
    }),
    opt_out_key: settings.opt_out_key,
    caller_id: z.string().nullable(),
    ports: z.int().nullable(),
    calls_per_second: z.number().nullable(),
    weight: z.int(),
    ring_seconds: z.int(),
    retry,
    max_attempts: z.int(),
    suppression_max_age_days: z.int().nullable(),
    requires_consent: z.boolean(),
    machine_detection: machineDetection.nullable(),
    inbound_message_id: uuid.nullable(),
    calling_window: z
      .strictObject({
        weekdays: z.array(z.enum(WEEKDAYS)),
        hours: z.array(z.string()),
        except_dates: z.array(z.string()),
        zone: z.string(),
      })
      .nullable(),
    start_at: time.nullable(),
    end_at: time.nullable(),
    max_abandoned_percent: z.number().nullable(),
    paused_reason: z
      .string()
      .nullable()
      .meta({ description: 'Why it was paused, when that was not the tenant; gone when it is resumed' }),
    created_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
    archived_at: time.nullable(),
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
