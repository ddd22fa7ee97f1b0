import { z } from 'zod';
import { findCampaignById } from '../../db/campaigns.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { streamEvent } from '../schemas/event.js';

const query = z.strictObject({
  follow: z
    .enum(['true', 'false'])
    .default('true')
    .transform((text) => text === 'true')
    .meta({
      description: 'Whether the stream stays open for what happens later; false ends it when all is sent',
    }),
});

const answer = { 'text/event-stream': streamEvent };

export const getEvents = route({
  method: 'get',
  path: '/v1/events',
  access: 'tenant',
  summary:
    'Follow the events of all campaigns as server-sent events; the header Last-Event-ID resumes after an event',
  query,
  answer,
  problems: ['too_many_event_streams', 'event_streams_busy'],
  async handle({ streams, ...call }) {
    await streams.send(call, null);
  },
});

export const getCampaignEvents = route({
  method: 'get',
  path: '/v1/campaigns/{id}/events',
  access: 'tenant',
  summary:
    'Follow the events of a campaign as server-sent events; the header Last-Event-ID resumes after an event',
  query,
  answer,
  problems: ['too_many_event_streams', 'event_streams_busy'],
  async handle({ streams, id, ...call }) {
    if (!(await findCampaignById(call.db, call.tenant.id, id))) throw notFound('campaign');
    await streams.send(call, id);
  },
});
