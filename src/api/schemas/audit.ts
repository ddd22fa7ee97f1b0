import { z } from 'zod';
import { time, uuid } from './common.js';

export const auditEntry = z
  .strictObject({
    id: uuid,
    tenant_id: uuid.nullable(),
    at: time,
    role: z.string(),
    subject: z.string().nullable().meta({ description: 'The `sub` of the token' }),
    key_id: uuid.nullable().meta({ description: 'The API key that was used' }),
    action: z.string().meta({ example: 'post /v1/campaigns/{id}/start' }),
    object_id: z.string().nullable().meta({ description: 'What was changed or made' }),
    request: z.unknown().meta({ description: 'The body, without secrets; of an upload its type and length' }),
  })
  .meta({ id: 'AuditEntry' });
