import { z } from 'zod';
import { time, uuid } from './common.js';

const count = z.int().min(0);

const csv = z.string().meta({
  description:
    'A header row with a column `number` and perhaps `time_zone`, `priority`, `consent_basis`, `consent_source` and `consent_at`; the other columns become fields. Of any length',
  example: 'number,time_zone,name\n+14155550123,America/Los_Angeles,Ada\n',
});

const ndjson = z.string().meta({
  description: 'A NewContact (JSON) on each line. Of any length',
  example: '{"number": "+14155550123", "fields": {"name": "Ada"}}\n',
});

export const importContent = { 'text/csv': csv, 'application/x-ndjson': ndjson };

export const importJob = z
  .strictObject({
    id: uuid,
    campaign_id: uuid,
    name: z.string().nullable(),
    format: z.enum(['csv', 'ndjson']),
    state: z.enum(['receiving', 'storing', 'completed', 'failed']).meta({
      description: 'Nothing is stored before `completed`, and nothing at all when it is `failed`',
    }),
    rows: count,
    added: count.meta({ description: 'Contacts that are new; 0 until it is completed' }),
    duplicates: count.meta({ description: 'Numbers that the campaign had, or that came twice' }),
    rejected: count.meta({ description: 'Rows that are wrong: /v1/imports/{id}/rejected lists them' }),
    bytes: count,
    error_code: z.string().nullable(),
    error: z.string().nullable().meta({ description: 'Why it failed' }),
    created_at: time,
    finished_at: time.nullable(),
  })
  .meta({ id: 'Import' });
