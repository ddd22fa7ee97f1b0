import { z } from 'zod';
import { count } from './campaign.js';
import { e164, time, uuid } from './common.js';

export const newErasure = z
  .strictObject({
    number: z
      .string()
      .max(64)
      .meta({ description: 'E.164, or national in the tenant’s default_region', example: '+14155550123' }),
  })
  .meta({ id: 'NewErasure' });

export const newInstallationErasure = z.strictObject({ number: e164 }).meta({ id: 'NewInstallationErasure' });

export const erasure = z
  .strictObject({ id: uuid, erased_at: time })
  .meta({ id: 'Erasure', description: 'That a person was erased. Of whom is not known any more' });

const erased = {
  contacts: count.meta({ description: 'They stay without number and fields, for the campaign’s figures' }),
  attempts: count.meta({ description: 'They stay without number' }),
  suppressions: count.meta({ description: 'Entries of suppression lists that had the number in clear' }),
  mentions: count.meta({
    description:
      'Other rows that named the number: fields of other contacts, imports and their rejected rows, the audit log',
  }),
};

export const createdErasure = erasure.extend(erased).meta({ id: 'CreatedErasure' });
