import { z } from 'zod';
import { name, time, uuid } from './common.js';

const role = z.enum(['tenant', 'viewer']).meta({ description: 'A viewer may only read' });

export const newApiKeyBody = z.strictObject({ name, role }).meta({ id: 'NewApiKey' });

export const apiKey = z
  .strictObject({
    id: uuid,
    name: z.string(),
    role,
    prefix: z
      .string()
      .meta({ description: 'How the key begins, to recognise it by', example: 'cmp_Zm9v1-2_' }),
    created_at: time,
    last_used_at: time.nullable().meta({ description: 'To the minute; null when it was never used' }),
    revoked_at: time.nullable(),
  })
  .meta({ id: 'ApiKey' });

export const createdApiKey = apiKey
  .extend({
    key: z.string().meta({ description: 'The key itself: shown here and never again' }),
  })
  .meta({ id: 'CreatedApiKey' });
