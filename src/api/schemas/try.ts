import { z } from 'zod';
import { CONTACT_STATES, HELD_FOR } from '../../calls/states.js';
import { attempt } from './attempt.js';
import { e164, time, uuid } from './common.js';
import { fields } from './contact.js';

const test = z.boolean().meta({
  description:
    'In the sandbox: nobody is called, and the number decides what comes of it (docs/test-mode.md)',
});

export const newTry = z
  .strictObject({
    number: z.string().meta({ description: 'E.164, or national in the tenant’s default_region' }),
    fields: fields.default({}),
    trunk_id: uuid,
    caller_id: e164.nullable().default(null),
    version: z.int().min(1).optional().meta({ description: 'An older version than the newest' }),
    test: test.default(false),
  })
  .meta({ id: 'NewTry' });

export const tryOfFlow = z
  .strictObject({
    id: uuid,
    flow_id: uuid,
    flow_version: z.int(),
    number: z.string(),
    test,
    state: z.enum(CONTACT_STATES).meta({
      description:
        'As of a contact: pending, calling, or what it ended as; expired when nobody could be called',
    }),
    held_for: z.enum(HELD_FOR).nullable().meta({ description: 'Why the number may not be called yet' }),
    created_at: time,
    attempt: attempt.nullable().meta({ description: 'The call; null until it is on its way' }),
    steps: z
      .array(z.record(z.string(), z.unknown()))
      .nullable()
      .meta({ description: 'What was heard, pressed and collected, in order, each with its time' }),
    answers: z.record(z.string(), z.string()).nullable(),
  })
  .meta({ id: 'Try' });
