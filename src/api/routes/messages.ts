import { createHash } from 'node:crypto';
import { z } from 'zod';
import { deleteMessage } from '../../db/delete-message.js';
import {
  findConverted,
  findMessageById,
  insertMessage,
  insertTextMessage,
  listMessages,
  readMessageAudio,
} from '../../db/messages.js';
import { CampanileError } from '../../errors.js';
import { newId } from '../../ids.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { requestedRange } from '../range.js';
import { binary, route } from '../route.js';
import { listOf, listSchema, name, pageOf, pageQuery } from '../schemas/common.js';
import { message, newTextMessage } from '../schemas/message.js';
import { spokenWith } from '../speech.js';
import { readPreviewFields, readTextMessage, showMessage, textOf } from '../text-message.js';
import { atMost } from '../turns.js';

const MAX_BYTES = 25 * 1024 * 1024;

// Engines take a processor each, and calls go on meanwhile.
const inTurn = atMost(2);

export const createMessage = route({
  method: 'post',
  path: '/v1/messages',
  access: 'tenant',
  summary:
    'Store a message: audio of any format that ffmpeg reads, up to 10 minutes; or text with fields, which is spoken to each contact',
  query: z.strictObject({
    name: name.optional().meta({ description: 'Required for audio; text has it in its document' }),
  }),
  upload: {
    // Whatever it says it is: what counts is what is in it.
    content: {
      'application/json': newTextMessage,
      'audio/*': binary,
      'video/*': binary,
      'application/ogg': binary,
      'application/octet-stream': binary,
    },
    limit: MAX_BYTES,
  },
  status: 201,
  answer: message,
  problems: [
    ...(['audio_unusable', 'audio_silent', 'ffmpeg_missing', 'conversions_busy'] as const),
    ...(['json_invalid', 'speech_missing', 'speech_failed'] as const),
  ],
  async handle({ db, change, convertAudio, tenant, query, upload, speech }) {
    if (upload.type === 'application/json') {
      if (query.name !== undefined)
        throw new FieldsInvalid([{ field: '?name', message: 'stands in the document' }]);
      const text = { id: newId(), ...(await readTextMessage(upload.bytes, speech)) };
      return change(async (tx) => showMessage(await insertTextMessage(tx, tenant.id, text)));
    }
    const called = query.name;
    if (called === undefined) throw new FieldsInvalid([{ field: '?name', message: 'is required' }]);
    const sourceSha256 = hashOf(upload.bytes);
    const known = await findConverted(db, tenant.id, sourceSha256);
    const audio = known ?? (await convertAudio(upload.bytes));
    // The law punishes calls in which nobody says anything, and nobody means to make them.
    if (audio.warnings.some(({ code }) => code === 'silent'))
      throw new CampanileError('audio_silent', 'nothing is to be heard in all of the audio: record it again');
    const made = { id: newId(), name: called, sha256: hashOf(audio.wav), sourceSha256, audio };
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

export const deleteMessageRoute = route({
  method: 'delete',
  path: '/v1/messages/{id}',
  access: 'tenant',
  summary: 'Delete a message that no campaign and no flow has, and its audio',
  status: 204,
  answer: null,
  problems: ['message_in_use'],
  async handle({ change, tenant, id }) {
    await change(async (tx) => {
      if (!(await deleteMessage(tx, tenant.id, id))) throw notFound('message');
    });
    return undefined;
  },
});

export const getAudio = route({
  method: 'get',
  path: '/v1/messages/{id}/audio',
  access: 'tenant',
  summary:
    'Fetch the audio of a message as calls play it, or a range of its bytes; of text it is spoken now, to a contact with these fields',
  query: z.strictObject({
    fields: z.string().max(8000).optional().meta({
      description: 'A JSON object, for text',
      example: '{"first_name": "Ada", "date": "2026-11-25"}',
    }),
  }),
  answer: 'audio/wav',
  ranges: true,
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
    const range = requestedRange(ctx, found.bytes!);
    const audio = await readMessageAudio(db, tenant.id, id, range ?? { start: 0, length: found.bytes! });
    if (!audio) throw notFound('message');
    ctx.type = 'audio/wav';
    ctx.body = audio;
  },
});

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
