import { z } from 'zod';
import { name, text, time, uuid } from './common.js';
import { fields } from './contact.js';

const language = z
  .string()
  .regex(/^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$/, 'must be a language such as en or pt-BR')
  .meta({ example: 'en' });
const voice = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_+-]{0,63}$/, 'must be a voice such as f3')
  .meta({ example: 'f3' });

/** Tabs and line breaks are spaces; others cannot be spoken. */
const isSpeakable = (value: string) => !/[^\P{Cc}\t\n\r]/u.test(value);

export const newTextMessage = z
  .strictObject({
    name,
    text: text(2000).refine(isSpeakable, 'must not hold control characters').meta({
      description: 'With fields of the contact: {name}, {name:format}, {name|default}, {name:format|default}',
      example: 'Dear {first_name|neighbour}, your appointment is on {date:date} at {time:time}.',
    }),
    language,
    voice: voice
      .nullable()
      .default(null)
      .meta({ description: 'Null for the one that the engine takes by itself' }),
  })
  .meta({ id: 'NewTextMessage' });

/** JSON within a query. */
export const previewFields = z
  .string()
  .transform((json, context) => {
    try {
      return JSON.parse(json) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a JSON object' });
      return z.NEVER;
    }
  })
  .pipe(fields);

export const voices = z
  .strictObject({
    engine: z.string().meta({ example: 'espeak-ng' }),
    languages: z
      .array(z.strictObject({ language: z.string().meta({ example: 'de' }), name: z.string() }))
      .nullable()
      .meta({
        description:
          'Null for an engine of the operator: it says itself, as it speaks, what it does not know',
      }),
    voices: z
      .array(
        z.strictObject({
          voice: z.string().meta({ example: 'f3' }),
          name: z.string(),
          gender: z.enum(['male', 'female']).nullable(),
        }),
      )
      .nullable()
      .meta({ description: 'Each speaks each language' }),
  })
  .meta({ id: 'Voices' });

const sourceFormat = z.strictObject({
  container: z.string().meta({ description: 'As ffmpeg calls it', example: 'mp3' }),
  codec: z.string().meta({ description: 'As ffmpeg calls it', example: 'mp3' }),
  rate: z.number().meta({ description: 'Samples per second', example: 44_100 }),
  channels: z.int(),
});

const warning = z.strictObject({
  code: z.enum(['silent', 'silence_at_start', 'silence_at_end', 'clipping', 'cut_off', 'quiet']),
  detail: z.string(),
  seconds: z.number().exactOptional().meta({ description: 'Of silence, or that are missing' }),
  share: z.number().exactOptional().meta({ description: 'Of clipped samples, 0 to 1' }),
});

export const message = z
  .strictObject({
    id: uuid,
    name: z.string(),
    sha256: z
      .string()
      .nullable()
      .meta({ description: 'Of the audio as it is kept, in hexadecimal digits; null for text' }),
    seconds: z.number().nullable().meta({ description: 'Null for text' }),
    bytes: z.int().nullable().meta({ description: 'Of the audio as it is kept, a WAV file; null for text' }),
    text: z.string().nullable().meta({ description: 'Spoken by the speech engine; null for audio' }),
    language: z.string().nullable(),
    voice: z.string().nullable(),
    fields: z
      .array(z.string())
      .meta({ description: 'That a contact must have: those the text names without a default' }),
    source_format: sourceFormat
      .nullable()
      .meta({ description: 'Of the upload; null, like peak and loudness, where it was not looked at' }),
    peak_db: z
      .number()
      .nullable()
      .meta({ description: 'The highest sample of the upload, in dB of full scale' }),
    loudness_db: z
      .number()
      .nullable()
      .meta({ description: 'The loudness of the upload, in LUFS; calls hear it at -22' }),
    warnings: z.array(warning).meta({ description: 'What may be wrong with the upload: docs/messages.md' }),
    created_at: time,
  })
  .meta({ id: 'Message' });
