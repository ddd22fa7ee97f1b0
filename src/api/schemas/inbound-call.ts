import { z } from 'zod';
import { time, uuid } from './common.js';

export const inboundCall = z
  .strictObject({
    id: uuid,
    campaign_id: uuid,
    contact_id: uuid,
    attempt_id: uuid.meta({ description: 'The call that was called back' }),
    number: z.string().meta({ description: 'Who called' }),
    called: z.string().meta({ description: 'The number called, as the PBX has it' }),
    began_at: time,
    ended_at: time.nullable().meta({ description: 'Null while it is spoken to' }),
    seconds: z.number().nullable().meta({ description: 'Until it was over, or passed on' }),
    steps: z
      .array(z.record(z.string(), z.unknown()))
      .nullable()
      .meta({ description: 'What was heard and pressed, in order' }),
    answers: z.record(z.string(), z.string()).nullable().meta({ description: 'What the flow kept' }),
    opted_out: z.boolean(),
    passed_on: z.boolean().meta({ description: 'To the dialplan of the operator' }),
  })
  .meta({ id: 'InboundCall' });
