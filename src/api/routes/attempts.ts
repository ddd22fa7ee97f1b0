import { causeOf } from '../../calls/cause.js';
import { type Attempt, findAttemptById, listAttempts } from '../../db/attempts.js';
import { findCampaignById } from '../../db/campaigns.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { attempt } from '../schemas/attempt.js';
import { listOf, listSchema, pageOf, pageQuery, uuid } from '../schemas/common.js';

export const listCampaignAttempts = route({
  method: 'get',
  path: '/v1/campaigns/{id}/attempts',
  access: 'tenant',
  summary: 'List a campaign’s attempts, the newest last',
  query: pageQuery.extend({ contact_id: uuid.optional() }),
  answer: listSchema(attempt),
  async handle({ db, tenant, id, query }) {
    if (!(await findCampaignById(db, tenant.id, id))) throw notFound('campaign');
    const rows = await listAttempts(db, tenant.id, id, query.contact_id ?? null, pageOf(query));
    const { data, next } = listOf(rows, query, (row) => row.id);
    return { data: data.map(showAttempt), next };
  },
});

export const getAttempt = route({
  method: 'get',
  path: '/v1/attempts/{id}',
  access: 'tenant',
  summary: 'Show an attempt, with what happened in its call',
  answer: attempt,
  async handle({ db, tenant, id }) {
    const found = await findAttemptById(db, tenant.id, id);
    if (!found) throw notFound('attempt');
    return showAttempt(found);
  },
});

/** An attempt as the API shows it. */
export function showAttempt(row: Attempt) {
  return { ...row, cause: causeOf(row) };
}
