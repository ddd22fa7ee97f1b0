import { z } from 'zod';
import { DISPOSITIONS } from '../../calls/states.js';
import type { Content } from '../route.js';

export const EXPORT_FORMATS = ['csv', 'ndjson'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const format = z
  .enum(EXPORT_FORMATS)
  .default('csv')
  .meta({ description: 'CSV for spreadsheets, or one JSON object a line' });

export const attemptsQuery = z.strictObject({
  format,
  state: z.enum(['open', 'ended']).optional(),
  disposition: z.enum(DISPOSITIONS).optional(),
});

/** The media types of an export whose lines in NDJSON are `item`. */
export function exportContent(item: string, columns: string): Content {
  return {
    'text/csv': z.string().meta({ description: `With a header row: ${columns}` }),
    'application/x-ndjson': z
      .string()
      .meta({ description: `On each line one ${item}, as its list shows it` }),
  };
}
