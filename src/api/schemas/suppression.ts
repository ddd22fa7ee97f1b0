import { z } from 'zod';
import { e164, integer, name, time, uuid } from './common.js';

const day = z.iso
  .date('must be a day such as 2026-11-21')
  .meta({ description: 'The day that the list is of', example: '2026-11-21' });

export const newSuppressionList = z
  .strictObject({ name, as_of: day.optional() })
  .meta({ id: 'NewSuppressionList', description: 'Without `as_of` the list is of today (UTC)' });

export const suppressionListChanges = z
  .strictObject({ name: name.exactOptional(), as_of: day.exactOptional() })
  .meta({ id: 'SuppressionListChanges' });

export const suppressionList = z
  .strictObject({
    id: uuid,
    name: z.string(),
    as_of: z.iso.date(),
    opt_outs: z.boolean().meta({
      description: 'Campanile keeps it: who pressed the opt-out key of a call is on it. Always of today',
    }),
    numbers: z.int().min(0).meta({ description: 'How many numbers are on it' }),
    created_at: time,
  })
  .meta({ id: 'SuppressionList' });

export const suppressedNumbers = z
  .union([z.array(z.string()), z.strictObject({ numbers: z.array(z.string()) })])
  .meta({ id: 'Numbers', description: '1 to 100,000 numbers', example: ['+14155550123'] });

export const suppressedNumbersCsv = z.string().meta({
  description: 'A header row with a column `number`; other columns are not read',
  example: 'number\n+14155550123\n',
});

export const suppressedNumber = z
  .strictObject({ number: e164, added_at: time })
  .meta({ id: 'SuppressedNumber' });

/** As `pageQuery`, of a list that is in the order of its numbers. */
export const numberPageQuery = z.strictObject({
  limit: integer(1, 1000).default(100),
  after: e164.optional().meta({ description: 'The `next` of the page before' }),
});

export const oneNumber = z.strictObject({ number: e164 });
