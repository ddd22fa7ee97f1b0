import { z } from 'zod';
import { CONTACT_STATES } from '../../calls/states.js';
import {
  type Campaign,
  findCampaignById,
  insertCampaign,
  listCampaigns,
  lockCampaign,
  notifyDue,
  updateCampaign,
  updateCampaignStatus,
} from '../../db/campaigns.js';
import { deleteCampaign } from '../../db/delete-campaign.js';
import { shareFlow } from '../../db/flows.js';
import type { Tx } from '../../db/pool.js';
import { setTrunkOrder } from '../../db/trunk-order.js';
import { CampanileError } from '../../errors.js';
import { newId } from '../../ids.js';
import { checkTimes, inZone, withTrunks, wrongTrunks } from '../campaign-checks.js';
import { contentOf } from '../campaign-content.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { type Answer, route } from '../route.js';
import {
  campaign,
  campaignChanges,
  campaignCopy,
  newCampaign,
  type ShownCampaign,
} from '../schemas/campaign.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';

export const createCampaign = route({
  method: 'post',
  path: '/v1/campaigns',
  access: 'tenant',
  summary: 'Create a campaign, as a draft',
  body: newCampaign,
  status: 201,
  answer: campaign,
  handle: ({ change, tenant, body }) =>
    withTrunks(() =>
      change(async (tx) => {
        checkTimes(body);
        const errors = await wrongTrunks(tx, tenant.id, body);
        const content = await contentOf(tx, tenant.id, body, errors);
        if (errors.length > 0) throw new FieldsInvalid(errors);
        const calling_window = inZone(body.calling_window, tenant);
        return showCampaign(
          await insertCampaign(tx, tenant.id, { id: newId(), ...body, ...content, calling_window }),
        );
      }),
    ),
});

export const getCampaigns = route({
  method: 'get',
  path: '/v1/campaigns',
  access: 'tenant',
  summary: 'List the campaigns',
  query: pageQuery.extend({
    archived: z
      .enum(['true', 'false'])
      .default('false')
      .meta({ description: 'Those in the archive instead' }),
  }),
  answer: listSchema(campaign),
  async handle({ db, tenant, query }) {
    const rows = await listCampaigns(db, tenant.id, query.archived === 'true', pageOf(query));
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

export const changeCampaign = route({
  method: 'patch',
  path: '/v1/campaigns/{id}',
  access: 'tenant',
  summary:
    'Change a campaign that has not ended: with the next call. Calls under way keep what they were placed with',
  body: campaignChanges,
  answer: campaign,
  problems: ['campaign_ended', 'campaign_running'],
  handle: ({ change, tenant, id, body }) => {
    const update = async (tx: Tx) => {
      const found = await lockCampaign(tx, tenant.id, id);
      if (!found) throw notFound('campaign');
      if (found.status === 'completed' || found.status === 'cancelled') {
        throw new CampanileError('campaign_ended', `cannot change a campaign that is ${found.status}`);
      }
      checkTimes({ ...found, ...body });
      // The trunks decide what may be shown: with either the other is to be looked at.
      const { trunk_ids, caller_id } = { ...found, ...body };
      const shown = 'trunk_ids' in body || 'caller_id' in body ? { trunk_ids, caller_id } : {};
      const errors = await wrongTrunks(tx, tenant.id, shown);
      const content = await contentOf(tx, tenant.id, body, errors, found);
      if (errors.length > 0) throw new FieldsInvalid(errors);
      if (body.trunk_ids) await setTrunkOrder(tx, tenant.id, id, body.trunk_ids);
      const { calling_window = found.calling_window } = body;
      const changed = await updateCampaign(tx, tenant.id, {
        ...found,
        ...body,
        ...content,
        calling_window: inZone(calling_window, tenant),
      });
      // It may have more ports now.
      if (found.status === 'running') await notifyDue(tx);
      return showCampaign(changed);
    };
    return withTrunks(() => change(update));
  },
});

export const copyCampaign = route({
  method: 'post',
  path: '/v1/campaigns/{id}/copy',
  access: 'tenant',
  summary: 'Copy a campaign as a draft without contacts',
  body: campaignCopy,
  status: 201,
  location: '/v1/campaigns/{id}',
  answer: campaign,
  problems: ['flow_deleted'],
  handle: ({ change, tenant, id, body }) =>
    change(async (tx) => {
      const found = await findCampaignById(tx, tenant.id, id);
      if (!found) throw notFound('campaign');
      // Cut between two characters.
      const name = body.name ?? `Copy of ${found.name}`.slice(0, 200).replace(/[\uD800-\uDBFF]$/, '');
      const { flow_id } = found;
      if (flow_id !== null && !(await shareFlow(tx, tenant.id, flow_id))) {
        const message = 'cannot copy a campaign whose flow was deleted: create one with another flow';
        throw new CampanileError('flow_deleted', message);
      }
      const copy = { ...found, id: newId(), name, flow_version: null };
      return showCampaign(await insertCampaign(tx, tenant.id, copy));
    }),
});

export const deleteCampaignRoute = route({
  method: 'delete',
  path: '/v1/campaigns/{id}',
  access: 'tenant',
  summary: 'Delete a draft, or a campaign that has ended, with all its contacts and attempts',
  status: 204,
  answer: null,
  problems: ['campaign_not_ended', 'calls_under_way'],
  async handle({ db, change, tenant, id }) {
    await change(async (tx) => {
      const found = await lockCampaign(tx, tenant.id, id);
      if (!found) throw notFound('campaign');
      if (found.status === 'running' || found.status === 'paused') {
        throw new CampanileError(
          'campaign_not_ended',
          `cannot delete a campaign that is ${found.status}: cancel it first`,
        );
      }
      if (found.ports_in_use > 0) {
        throw new CampanileError(
          'calls_under_way',
          `${found.ports_in_use} of its calls are under way: try again when they are over`,
        );
      }
      // Nothing can be added to it any more.
      if (found.status === 'draft') await updateCampaignStatus(tx, tenant.id, id, 'cancelled');
    });
    await deleteCampaign(db, tenant.id, id);
  },
});

/** A campaign as the API shows it: the counters of its contacts in an object of their own, with their sum. */
export function showCampaign(row: Campaign): Answer<ShownCampaign> {
  const { pending, calling, retrying, answered, machine, busy, no_answer, ...others } = row;
  const { failed, invalid, suppressed, no_consent, cancelled, expired, ...rest } = others;
  const total = CONTACT_STATES.reduce((sum, state) => sum + row[state], 0);
  return {
    ...rest,
    contacts: {
      total,
      pending,
      calling,
      retrying,
      answered,
      machine,
      busy,
      no_answer,
      failed,
      invalid,
      suppressed,
      no_consent,
      cancelled,
      expired,
    },
  };
}
