import { mayShow } from '../../calls/sip-account.js';
import { CONTACT_STATES } from '../../calls/states.js';
import { type Campaign, findCampaignById, insertCampaign, listCampaigns } from '../../db/campaigns.js';
import { findMessageById } from '../../db/messages.js';
import { findTrunkById } from '../../db/trunks.js';
import { newId } from '../../ids.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { type Answer, route } from '../route.js';
import { campaign, newCampaign, type ShownCampaign } from '../schemas/campaign.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';

export const createCampaign = route({
  method: 'post',
  path: '/v1/campaigns',
  access: 'tenant',
  summary: 'Create a campaign, as a draft',
  body: newCampaign,
  status: 201,
  answer: campaign,
  async handle({ db, tenant, body }) {
    const [trunk, message] = await Promise.all([
      findTrunkById(db, tenant.id, body.trunk_id),
      findMessageById(db, tenant.id, body.message_id),
    ]);
    const errors = [
      ...(trunk ? [] : [{ field: '/trunk_id', message: 'is no trunk' }]),
      ...(message ? [] : [{ field: '/message_id', message: 'is no message' }]),
      ...(trunk?.sip && !mayShow(trunk.sip, body.caller_id)
        ? [{ field: '/caller_id', message: 'is none of the caller ids that the trunk may show' }]
        : []),
    ];
    if (errors.length > 0) throw new FieldsInvalid(errors);
    return showCampaign(await insertCampaign(db, tenant.id, { id: newId(), ...body }));
  },
});

export const getCampaigns = route({
  method: 'get',
  path: '/v1/campaigns',
  access: 'tenant',
  summary: 'List the campaigns',
  query: pageQuery,
  answer: listSchema(campaign),
  async handle({ db, tenant, query }) {
    const rows = await listCampaigns(db, tenant.id, pageOf(query));
    const { data, next } = listOf(rows, query, (row) => row.id);
    return { data: data.map(showCampaign), next };
  },
});

export const getCampaign = route({
  method: 'get',
  path: '/v1/campaigns/{id}',
  access: 'tenant',
  summary: 'Show a campaign with its counters',
  answer: campaign,
  async handle({ db, tenant, id }) {
    const found = await findCampaignById(db, tenant.id, id);
    if (!found) throw notFound('campaign');
    return showCampaign(found);
  },
});

/** A campaign as the API shows it: the counters of its contacts in an object of their own, with their sum. */
export function showCampaign(row: Campaign): Answer<ShownCampaign> {
  const { pending, calling, retrying, answered, busy, no_answer, ...others } = row;
  const { failed, invalid, suppressed, cancelled, expired, ...rest } = others;
  const total = CONTACT_STATES.reduce((sum, state) => sum + row[state], 0);
  return {
    ...rest,
    contacts: {
      total,
      pending,
      calling,
      retrying,
      answered,
      busy,
      no_answer,
      failed,
      invalid,
      suppressed,
      cancelled,
      expired,
    },
  };
}
