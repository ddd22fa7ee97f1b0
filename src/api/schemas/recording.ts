import { z } from 'zod';
import { pageQuery, time, uuid } from './common.js';

export const recordingsQuery = pageQuery.extend({
  campaign_id: uuid.optional(),
  attempt_id: uuid.optional(),
});

export const recording = z
  .strictObject({
    id: uuid.meta({ description: 'What the flow kept under `save_as`' }),
    campaign_id: uuid,
    attempt_id: uuid,
    step: z.string().meta({ description: 'The step of the flow' }),
    seconds: z.number(),
    bytes: z.int(),
    created_at: time,
  })
  .meta({ id: 'Recording' });
