import { z } from 'zod';
import { CONTACT_STATES, HELD_FOR } from '../../calls/states.js';
import { isTimeZone } from '../../calls/time-zone.js';
import { isStorable, text, time, uuid } from './common.js';

const MAX_FIELDS = 64;
const NOT_STORABLE = 'must not hold NUL or half of a surrogate pair';

const fieldValue = z.union(
  [z.string().max(1000).refine(isStorable, NOT_STORABLE), z.number(), z.boolean(), z.null()],
  'must be text of at most 1000 characters, a number, true, false or null',
);

export const fields = z
  .record(text(64), fieldValue)
  .refine((value) => Object.keys(value).length <= MAX_FIELDS, `must be at most ${MAX_FIELDS} fields`)
  .meta({ description: 'What is known of the contact', example: { name: 'Ada', amount: 12.5 } });

const WHEN = 'must be a time such as 2026-11-21T09:00:00Z or a day such as 2026-11-21';

const consentTime = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], WHEN)
  .transform((when) => new Date(when))
  .refine((when) => when.getTime() <= Date.now(), 'must not be in the future')
  .meta({ type: 'string' });

export const newContact = z
  .strictObject({
    number: z
      .string()
      .meta({ description: 'E.164, or national in the tenant’s default_region', example: '+14155550123' }),
    time_zone: z
      .string()
      .refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin')
      .nullable()
      .default(null)
      .meta({ description: 'Where the contact is; null when that is not known', example: 'Europe/Berlin' }),
    priority: z
      .int('must be a whole number from 0 to 9')
      .min(0)
      .max(9)
      .default(5)
      .meta({ description: 'The highest is called first' }),
    consent_basis: text(100).nullable().default(null).meta({
      description: 'On what the consent to be called rests; null: none is known',
      example: 'written',
    }),
    consent_source: text(200)
      .nullable()
      .default(null)
      .meta({ description: 'Where it was given', example: 'https://shop.example.com/checkout' }),
    consent_at: consentTime
      .nullable()
      .default(null)
      .meta({ description: 'When it was given, or on what day', example: '2026-11-21T09:00:00Z' }),
    fields: fields.default({}),
  })
  .check(({ value, issues }) => {
    if (value.consent_basis !== null) return;
    for (const path of ['consent_source', 'consent_at'] as const) {
      if (value[path] === null) continue;
      issues.push({ code: 'custom', input: value, path: [path], message: 'needs a consent_basis' });
    }
  })
  .meta({ id: 'NewContact' });

export const newContacts = z
  .union([z.strictObject({ contacts: z.array(newContact) }), z.array(newContact)])
  .meta({ id: 'NewContacts', description: '1 to 100,000 contacts' });

export const contactsCsv = z.string().meta({
  description:
    'A header row with a column `number` and perhaps `time_zone`, `priority`, `consent_basis`, `consent_source` and `consent_at`; the other columns become fields. An export is taken as it is: of a file with a column `contact_id` only `field.NAME` do',
  example: 'number,name\n+14155550123,Ada\n',
});

export const added = z
  .strictObject({
    added: z.int(),
    duplicates: z.int().meta({ description: 'Numbers that the campaign had, or that came twice' }),
  })
  .meta({ id: 'Added' });

export const contact = z
  .strictObject({
    id: uuid,
    campaign_id: uuid,
    number: z.string(),
    time_zone: z.string().nullable(),
    priority: z.int(),
    consent_basis: z.string().nullable(),
    consent_source: z.string().nullable(),
    consent_at: time.nullable(),
    fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    state: z.enum(CONTACT_STATES),
    attempts: z.int(),
    due_at: time
      .nullable()
      .meta({ description: 'When the next attempt may start; null once the contact has ended' }),
    held_for: z.enum(HELD_FOR).nullable().meta({
      description:
        'Why it waits until then though it was due before: the tenant’s frequency caps, a silent call to the number, or that its text could not be spoken',
    }),
    problem: z.string().nullable().meta({
      description: 'Why its text could not be spoken, or why it is invalid without a call',
      example: 'the field "date" is missing, and the text names no default: write {date|default}',
    }),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Contact' });
