import { z } from 'zod';
import { CONTACT_STATES, type ContactState, DISPOSITIONS } from '../../calls/states.js';
import { MOST_VALUES } from '../../db/flow-report.js';
import { count, perKey } from './campaign.js';
import { time, uuid } from './common.js';

const TIME_ZONE = /^(UTC|[A-Za-z_]+(\/[A-Za-z0-9_+-]+)+)$/;

export const timeZone = z
  .string()
  .refine(isTimeZone, 'must be the IANA name of a time zone such as Europe/Rome, or UTC')
  .default('UTC')
  .meta({ description: 'The time zone of the hours, by its IANA name', example: 'Europe/Rome' });

// Names alone: what else Postgres takes for a time zone ("CET", "X+5") means something else to it than to others.
function isTimeZone(name: string): boolean {
  try {
    return TIME_ZONE.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }) !== null;
  } catch {
    return false;
  }
}

const instant = z.iso
  .datetime({ offset: true, message: 'must be a time in RFC 3339 such as 2026-11-01T00:00:00Z' })
  .transform((text) => new Date(text))
  .meta({ type: 'string', format: 'date-time' });

export const reportQuery = z.strictObject({ time_zone: timeZone });
export const timeQuery = z.strictObject({
  from: instant,
  to: instant.meta({ type: 'string', format: 'date-time', description: 'At most 92 days after `from`' }),
  time_zone: timeZone,
  test: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'Of test campaigns instead: they are in no other report' }),
});

const seconds = z.number().min(0);
const ratio = z.number().min(0).max(1).nullable();

const calls = {
  attempts: count,
  answered: count.meta({ description: 'Attempts that ended as answered or machine' }),
  machines: count.meta({ description: 'Those of them that ended as machine' }),
  seizures: count.meta({
    description:
      'Attempts that have ended and were taken by the network: it answered the INVITE, if only with a refusal, but not with 3xx, 401 or 407',
  }),
  answer_seizure_ratio: ratio.meta({
    description: 'Answered by seizures, from 0 to 1 (ITU-T E.425); null without seizures',
  }),
  talk_seconds: seconds.meta({ description: 'Of all answered attempts together' }),
};

export const totals = z
  .strictObject({
    contacts: z
      .strictObject({
        total: count,
        ...(perKey(CONTACT_STATES, () => count) satisfies Record<ContactState, z.ZodType>),
      })
      .meta({
        description:
          'All contacts of the campaign, or of every campaign that called in this time, as they are now',
      }),
    ...calls,
    open: count.meta({ description: 'Attempts that have not ended' }),
    retries: count.meta({ description: 'Attempts at a contact after its first' }),
    average_talk_seconds: seconds.nullable().meta({ description: 'Of answered attempts' }),
    average_ring_seconds: seconds.nullable().meta({ description: 'Of attempts whose ringing was reported' }),
    average_heard_seconds: seconds
      .nullable()
      .meta({ description: 'Of attempts of which is known how much of the message was played' }),
    heard_to_end_ratio: ratio.meta({
      description: 'Of those whose message has a known length, the share that heard all of it',
    }),
  })
  .meta({ id: 'ReportTotals' });

const test = z.boolean().meta({ description: 'Whether this is of tests: nobody was called' });

const parts = {
  time_zone: z.string(),
  totals,
  by_disposition: z.array(z.strictObject({ disposition: z.enum(DISPOSITIONS), attempts: count })),
  by_hour: z
    .array(
      z.strictObject({
        hour: z.iso
          .datetime({ offset: true })
          .meta({ description: 'Its start, with the offset of the time zone' }),
        ...calls,
      }),
    )
    .meta({ description: 'By the hour in which the attempt began; only hours with attempts' }),
  keys: z.array(z.strictObject({ key: z.string(), attempts: count })),
  sip_statuses: z
    .array(z.strictObject({ sip_status: z.int(), attempts: count }))
    .meta({ description: 'By the last SIP answer of the far end; 0 is that none ever came' }),
};

const transfers = z
  .strictObject({
    connected: count,
    abandoned: count.meta({ description: 'In which nobody came to speak with the callee' }),
    abandoned_percent: z.number().nullable(),
  })
  .meta({
    id: 'TransferCounts',
    description: 'Transfers of the last 30 days, which `max_abandoned_percent` is about',
  });

const times = count.meta({ description: 'How often' });

const step = z
  .strictObject({
    step: z.string(),
    times: count.meta({ description: 'How often calls came to it' }),
    heard_seconds: seconds.meta({ description: 'Of all of them together' }),
    keys: z
      .array(z.strictObject({ key: z.string(), times }))
      .meta({ description: 'Keys that were heard in it, unless it collects digits' }),
    outcomes: z.array(z.strictObject({ outcome: z.string(), times })),
  })
  .meta({ id: 'StepReport' });

const answer = z
  .strictObject({
    name: z.string(),
    attempts: count.meta({ description: 'In how many calls something was kept under the name' }),
    different: count.meta({ description: 'How many different values' }),
    values: z
      .array(z.strictObject({ value: z.string(), attempts: count }))
      .meta({ description: `The ${MOST_VALUES} most frequent` }),
  })
  .meta({ id: 'AnswerReport' });

export const campaignReport = z
  .strictObject({
    campaign_id: uuid,
    test,
    transfers,
    ...parts,
    steps: z
      .array(step)
      .meta({ description: 'What happened in the steps of its flow, the most frequent first' }),
    answers: z.array(answer).meta({ description: 'What its flow kept, by name' }),
  })
  .meta({ id: 'CampaignReport' });

export const report = z
  .strictObject({
    from: time,
    to: time,
    test,
    ...parts,
    by_campaign: z.array(z.strictObject({ campaign_id: uuid, name: z.string(), totals })),
  })
  .meta({ id: 'Report' });
