import { Readable } from 'node:stream';
import { z } from 'zod';
import { findCampaignById } from '../../db/campaigns.js';
import { findNeededFields } from '../../db/contact-fields.js';
import { failAbandonedImports, findImportById, listImports } from '../../db/imports.js';
import { newId } from '../../ids.js';
import { checkOpen } from '../campaign-open.js';
import { checkContactRoom } from '../contact-limit.js';
import { renderRejected } from '../imports/rejected.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, name, pageOf, pageQuery } from '../schemas/common.js';
import { importContent, importJob } from '../schemas/import.js';

export const createImport = route({
  method: 'post',
  path: '/v1/campaigns/{id}/imports',
  access: 'tenant',
  summary:
    'Upload a list of any length as a stream. Answered when all of it is here; its good rows are then stored, all at once',
  query: z.strictObject({ name: name.optional() }),
  stream: importContent,
  status: 201,
  location: '/v1/imports/{id}',
  answer: importJob,
  problems: [
    'body_stalled',
    'ndjson_invalid',
    'csv_invalid',
    'campaign_ended',
    'contact_limit',
    'too_many_imports',
  ],
  async handle({ db, recording, tenant, id, query, imports, stream }) {
    const campaign = await findCampaignById(db, tenant.id, id);
    if (!campaign) throw notFound('campaign');
    checkOpen(campaign.status);
    await checkContactRoom(db, tenant.id);
    const format = stream.type === 'text/csv' ? ('csv' as const) : ('ndjson' as const);
    const item = { id: newId(), campaign_id: id, name: query.name ?? null, format };
    const neededFields = await findNeededFields(db, tenant.id, campaign);
    const rules = { region: tenant.default_region, neededFields };
    return imports.receive(tenant, item, { body: stream.body, rules }, recording);
  },
});

export const getImports = route({
  method: 'get',
  path: '/v1/campaigns/{id}/imports',
  access: 'tenant',
  summary: 'List a campaign’s imports, the newest last',
  query: pageQuery,
  answer: listSchema(importJob),
  async handle({ db, tenant, id, query }) {
    if (!(await findCampaignById(db, tenant.id, id))) throw notFound('campaign');
    await failAbandonedImports(db, tenant.id);
    return listOf(await listImports(db, tenant.id, id, pageOf(query)), query, (row) => row.id);
  },
});

export const getImport = route({
  method: 'get',
  path: '/v1/imports/{id}',
  access: 'tenant',
  summary: 'Show how far an import is',
  answer: importJob,
  async handle({ db, tenant, id }) {
    await failAbandonedImports(db, tenant.id);
    const found = await findImportById(db, tenant.id, id);
    if (!found) throw notFound('import');
    return found;
  },
});

export const getRejected = route({
  method: 'get',
  path: '/v1/imports/{id}/rejected',
  access: 'tenant',
  summary: 'Fetch the rows that an import did not take, with line and reason; the first 100,000 are kept',
  answer: 'text/csv',
  async handle({ ctx, db, tenant, id }) {
    const found = await findImportById(db, tenant.id, id);
    if (!found) throw notFound('import');
    ctx.type = 'text/csv; charset=utf-8';
    ctx.set('Content-Disposition', `attachment; filename="rejected-${id}.csv"`);
    ctx.body = Readable.from(renderRejected(db, tenant.id, found));
  },
});
