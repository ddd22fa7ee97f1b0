import { z } from 'zod';
import { CONTACT_STATES } from '../../calls/states.js';
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
    fields: fields.default({}),
  })
  .meta({ id: 'NewContact' });

export const newContacts = z
  .union([z.strictObject({ contacts: z.array(newContact) }), z.array(newContact)])
  .meta({ id: 'NewContacts', description: '1 to 100,000 contacts' });

export const contactsCsv = z.string().meta({
  description:
    'A header row with a column `number` and perhaps one `time_zone`; the other columns become fields. An export is taken as it is: of a file with a column `contact_id` only `field.NAME` do',
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
    fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    state: z.enum(CONTACT_STATES),
    attempts: z.int(),
    due_at: time
      .nullable()
      .meta({ description: 'When the next attempt may start; null once the contact has ended' }),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Contact' });
