import { createHash } from 'node:crypto';
import { z } from 'zod';
import { findMessageAudio, findMessageById, insertMessage, listMessages } from '../../db/messages.js';
import { newId } from '../../ids.js';
// biome-ignore lint/style/noRestrictedImports: the codec is pure, and what cannot be played is refused here
import { parseWav } from '../../messages/wav.js';
import { notFound } from '../problem.js';
import { binary, route } from '../route.js';
import { listOf, listSchema, name, pageOf, pageQuery } from '../schemas/common.js';
import { message } from '../schemas/message.js';

const MAX_BYTES = 10 * 1024 * 1024; // eleven minutes

export const createMessage = route({
  method: 'post',
  path: '/v1/messages',
  access: 'tenant',
  summary: 'Store a message: a WAV file of 8 kHz, mono, 16 bit PCM',
  query: z.strictObject({ name }),
  upload: {
    content: {
      'audio/wav': binary,
      'audio/x-wav': binary,
      'audio/wave': binary,
      'audio/vnd.wave': binary,
    },
    limit: MAX_BYTES,
  },
  status: 201,
  answer: message,
  problems: ['audio_unusable'],
  handle({ change, tenant, query, upload }) {
    const { file, seconds } = parseWav(upload.bytes);
    const sha256 = createHash('sha256').update(file).digest('hex');
    const made = { id: newId(), name: query.name, sha256, audio: file, seconds };
    return change((tx) => insertMessage(tx, tenant.id, made));
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
    return listOf(rows, query, (row) => row.id);
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
    return found;
  },
});

export const getAudio = route({
  method: 'get',
  path: '/v1/messages/{id}/audio',
  access: 'tenant',
  summary: 'Fetch the audio of a message',
  answer: 'audio/wav',
  async handle({ ctx, db, tenant, id }) {
    const audio = await findMessageAudio(db, tenant.id, id);
    if (!audio) throw notFound('message');
    ctx.type = 'audio/wav';
    ctx.body = audio;
  },
});
