import {
  deleteRecording,
  findRecordingAudio,
  findRecordingById,
  listRecordings,
} from '../../db/recordings.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf } from '../schemas/common.js';
import { recording, recordingsQuery } from '../schemas/recording.js';

export const getRecordings = route({
  method: 'get',
  path: '/v1/recordings',
  access: 'tenant',
  summary: 'List what callees said at `record` steps, the oldest first',
  query: recordingsQuery,
  answer: listSchema(recording),
  async handle({ db, tenant, query }) {
    const of = { campaignId: query.campaign_id ?? null, attemptId: query.attempt_id ?? null };
    return listOf(await listRecordings(db, tenant.id, of, pageOf(query)), query, (row) => row.id);
  },
});

export const getRecording = route({
  method: 'get',
  path: '/v1/recordings/{id}',
  access: 'tenant',
  summary: 'Show a recording',
  answer: recording,
  async handle({ db, tenant, id }) {
    return (await findRecordingById(db, tenant.id, id)) ?? missing();
  },
});

export const getRecordingAudio = route({
  method: 'get',
  path: '/v1/recordings/{id}/audio',
  access: 'tenant',
  summary: 'Fetch a recording: a WAV file of 8 kHz, mono, 16 bit',
  answer: 'audio/wav',
  async handle({ ctx, db, tenant, id }) {
    const audio = (await findRecordingAudio(db, tenant.id, id)) ?? missing();
    ctx.attachment(`recording-${id}.wav`);
    ctx.type = 'audio/wav';
    ctx.body = audio;
  },
});

export const deleteRecordingRoute = route({
  method: 'delete',
  path: '/v1/recordings/{id}',
  access: 'tenant',
  summary: 'Delete a recording',
  status: 204,
  answer: null,
  handle: ({ change, tenant, id }) =>
    change(async (tx) => {
      if (!(await deleteRecording(tx, tenant.id, id))) missing();
    }),
});

function missing(): never {
  throw notFound('recording');
}
