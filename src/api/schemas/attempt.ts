import { z } from 'zod';
import { STEP_TYPES } from '../../calls/flow/schema.js';
import { DISPOSITIONS } from '../../calls/states.js';
import { time, uuid } from './common.js';
import { machineVerdict } from './machine.js';

const happened = z
  .strictObject({
    at: time.meta({ description: 'When the step began' }),
    step: z
      .string()
      .meta({ description: 'Its name in the flow; `message` where the campaign has a message' }),
    type: z.enum(STEP_TYPES),
    heard_seconds: z.number().optional().meta({ description: 'Of its prompts' }),
    pressed: z
      .array(z.strictObject({ at: time, key: z.string() }))
      .optional()
      .meta({ description: 'Every key that was heard; stars where it is secret' }),
    digits: z.string().optional().meta({ description: 'What was collected; stars where it is secret' }),
    outcome: z.string().optional().meta({
      description: 'How it ended, in one word, where there is more than one way',
      example: 'timeout',
    }),
    reason: z.string().optional().meta({ description: 'Why it failed: of a webhook' }),
    recording: z.string().optional().meta({ description: 'The id of what was recorded' }),
    recorded_seconds: z.number().optional(),
    talked_seconds: z
      .number()
      .optional()
      .meta({ description: 'Of a transfer that was connected, where the PBX tells' }),
  })
  .meta({ id: 'Happened' });

export const attempt = z
  .strictObject({
    id: uuid,
    campaign_id: uuid,
    contact_id: uuid,
    trunk_id: uuid,
    number: z.string(),
    ordinal: z.int().meta({ description: 'The how manieth attempt at the contact, from 1' }),
    state: z.enum(['open', 'ended']),
    disposition: z
      .enum(DISPOSITIONS)
      .nullable()
      .meta({ description: 'What it ended as; null while it is open' }),
    cause: z
      .string()
      .nullable()
      .meta({ description: 'Why nobody could be reached, where the trunk is to blame; for a person' }),
    claimed_at: time,
    answered_at: time.nullable(),
    ended_at: time.nullable(),
    ring_seconds: z.number().nullable(),
    talk_seconds: z.number().nullable(),
    heard_seconds: z.number().nullable().meta({ description: 'How much of the message was played' }),
    key: z.string().nullable().meta({ description: 'The key that was pressed' }),
    sip_status: z.int().nullable(),
    hangup_cause: z.int().nullable().meta({ description: 'ITU-T Q.850' }),
    hung_up_by: z.enum(['callee', 'campanile', 'pbx']).nullable(),
    silent: z.boolean().meta({
      description: 'Answered, and nothing of the message was heard: the number is not called for a while',
    }),
    steps: z
      .array(happened)
      .nullable()
      .meta({ description: 'What happened in the call, step by step; null where nobody answered' }),
    answers: z
      .record(z.string(), z.string())
      .nullable()
      .meta({ description: 'What the flow kept, by its names', example: { reply: '1' } }),
    test: z.boolean().meta({ description: 'Of a test campaign: nobody was called' }),
    machine: machineVerdict.nullable().meta({
      description: 'Person or machine; null where the campaign does not ask, or nobody answered',
    }),
  })
  .meta({ id: 'Attempt' });
