import { z } from 'zod';
import { count } from './campaign.js';
import { time } from './common.js';

const test = z.boolean().meta({ description: 'Whether the campaign is a test: nobody is called' });

const reason = z.strictObject({
  code: z.string().meta({ example: 'outside_window' }),
  text: z.string().meta({ example: '812 contacts: outside its window until Mon 09:00 (America/New_York)' }),
});

export const why = z
  .strictObject({
    test,
    dialling: z.boolean().meta({ description: 'Whether calls are up or on their way, now' }),
    reasons: z.array(reason).meta({
      description:
        'Why it does not dial, or not faster, the most important first; empty when nothing is in its way',
    }),
  })
  .meta({ id: 'Why' });

export const preview = z
  .strictObject({
    test,
    will_dial: count.meta({ description: 'Contacts that will be called' }),
    skipped: z
      .strictObject({
        suppressed: count.meta({ description: 'On a suppression list' }),
        no_consent: count.meta({ description: 'The campaign requires consent, and none is known' }),
        zone_unknown: count.meta({ description: 'The window asks for their time zone, and it is not known' }),
        unspeakable: count.meta({
          description: 'Nothing can be said to them: see `speech`; counted among the first 10,000 that wait',
        }),
        never_open: count.meta({
          description: 'The window never opens in all the zones that they may be in',
        }),
      })
      .meta({ description: 'Contacts that will not be called, each counted once' }),
    later: z
      .strictObject({
        frequency_cap: count.meta({
          description: 'Called as often as the tenant’s frequency caps allow, by any of its campaigns',
        }),
        silent_call: count.meta({ description: 'The last call to the number was answered and silent' }),
      })
      .meta({
        description:
          'Of those that will be called, how many must wait at present; the estimate takes no account of it',
      }),
    missing_fields: z
      .array(
        z.strictObject({
          field: z.string(),
          contacts: count.meta({ description: 'How many lack it' }),
          examples: z.array(z.string()).meta({ description: 'Numbers of some of them' }),
        }),
      )
      .meta({
        description:
          'Fields that the flow or a message of text names without a default and that contacts lack: until there are none, the campaign cannot be started or resumed',
      }),
    speech: z
      .strictObject({
        checked: count,
        problems: z.array(
          z.strictObject({
            problem: z
              .string()
              .meta({ example: 'the field "date" is missing, and the text names no default' }),
            contacts: count,
          }),
        ),
      })
      .nullable()
      .meta({
        description:
          'Of the first 10,000 contacts that wait, to whom nothing can be said, and why; null where nothing is spoken',
      }),
    estimate: z.strictObject({
      ends_at: time.nullable().meta({ description: 'When all will have been called once; null: never' }),
      expired: count.meta({ description: 'Who will not have been called by end_at' }),
      ports: z.int().nullable().meta({ description: 'The least of all limits; null without a node' }),
      calls_per_second: z.number().meta({ description: 'What ports and limits of speed allow' }),
      seconds_per_call: z.number().meta({
        description:
          'Assumed: half of ring_seconds, and the whole message, or the longest way through the flow of who presses no key',
      }),
    }),
  })
  .meta({ id: 'Preview' });
