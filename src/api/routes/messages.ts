import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  findMessageAudio,
  findMessageById,
  insertMessage,
  insertTextMessage,
  listMessages,
} from '../../db/messages.js';
import { newId } from '../../ids.js';
// biome-ignore lint/style/noRestrictedImports: the codec is pure, and what cannot be played is refused here
import { parseWav } from '../../messages/wav.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { binary, route } from '../route.js';
import { listOf, listSchema, name, pageOf, pageQuery } from '../schemas/common.js';
import { message, newTextMessage } from '../schemas/message.js';
import { spokenWith } from '../speech.js';
import { readPreviewFields, readTextMessage, showMessage, textOf } from '../text-message.js';
import { atMost } from '../turns.js';

const MAX_BYTES = 10 * 1024 * 1024; // eleven minutes

// Engines take a processor each, and calls go on meanwhile.
const inTurn = atMost(2);

export const createMessage = route({
  method: 'post',
  path: '/v1/messages',
  access: 'tenant',
  summary:
    'Store a message: a WAV file of 8 kHz, mono, 16 bit PCM; or text with fields, which is spoken to each contact',
  query: z.strictObject({
    name: name.optional().meta({ description: 'Required for audio; text has it in its document' }),
  }),
  upload: {
    content: {
      'audio/wav': binary,
      'audio/x-wav': binary,
      'audio/wave': binary,
      'audio/vnd.wave': binary,
      'application/json': newTextMessage,
    },
    limit: MAX_BYTES,
  },
  status: 201,
  answer: message,
  problems: ['audio_unusable', 'json_invalid', 'speech_missing', 'speech_failed'],
  async handle({ change, tenant, query, upload, speech }) {
    if (upload.type === 'application/json') {
      if (query.name !== undefined)
        throw new FieldsInvalid([{ field: '?name', message: 'stands in the document' }]);
      const text = { id: newId(), ...(await readTextMessage(upload.bytes, speech)) };
      return change(async (tx) => showMessage(await insertTextMessage(tx, tenant.id, text)));
    }
    if (query.name === undefined) throw new FieldsInvalid([{ field: '?name', message: 'is required' }]);
    const { file, seconds } = parseWav(upload.bytes);
    const sha256 = createHash('sha256').update(file).digest('hex');
    const made = { id: newId(), name: query.name, sha256, audio: file, seconds };
    return change(async (tx) => showMessage(await insertMessage(tx, tenant.id, made)));
  },
});

export const getMessages = route({
  method: 'get',
  path: '/v1/messages',
  access: 'tenant',
  summary: 'List the messages',
  query: pageQuery,
  answer: listSchema(message),
  async handle({ db, tenant, query }) {
    const rows = await listMessages(db, tenant.id, pageOf(query));
    return listOf(rows.map(showMessage), query, (row) => row.id);
  },
});

export const getMessage = route({
  method: 'get',
  path: '/v1/messages/{id}',
  access: 'tenant',
  summary: 'Show a message',
  answer: message,
  async handle({ db, tenant, id }) {
    const found = await findMessageById(db, tenant.id, id);
    if (!found) throw notFound('message');
    return showMessage(found);
  },
});

export const getAudio = route({
  method: 'get',
  path: '/v1/messages/{id}/audio',
  access: 'tenant',
  summary: 'Fetch the audio of a message; of text it is spoken now, to a contact with these fields',
  query: z.strictObject({
    fields: z.string().max(8000).optional().meta({
      description: 'A JSON object, for text',
      example: '{"first_name": "Ada", "date": "2026-11-25"}',
    }),
  }),
  answer: 'audio/wav',
  problems: ['speech_missing', 'speech_failed'],
  async handle({ ctx, db, tenant, id, query, speech }) {
    const found = await findMessageById(db, tenant.id, id);
    if (!found) throw notFound('message');
    const text = textOf(found);
    if (text) {
      const spoken = spokenWith(text, readPreviewFields(query.fields), tenant.time_zone ?? 'UTC');
      const wav = await inTurn(() => speech.speak(spoken));
      ctx.type = 'audio/wav';
      ctx.body = wav;
      return;
    }
    const audio = await findMessageAudio(db, tenant.id, id);
    if (!audio) throw notFound('message');
    ctx.type = 'audio/wav';
    ctx.body = audio;
  },
});
