import { z } from 'zod';
import { time, uuid } from './common.js';

export const message = z
  .strictObject({
    id: uuid,
    name: z.string(),
    sha256: z.string().meta({ description: 'Of the audio as it is kept, in hexadecimal digits' }),
    seconds: z.number(),
    bytes: z.int(),
    created_at: time,
  })
  .meta({ id: 'Message' });
