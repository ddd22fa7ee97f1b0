import type { CampaignStatus } from '../../calls/states.js';
import {
  type Campaign,
  findCampaignById,
  lockCampaign,
  notifyCancelled,
  notifyDue,
  updateCampaignStatus,
} from '../../db/campaigns.js';
import { cancelContacts } from '../../db/contacts.js';
import { type Tx, transaction } from '../../db/pool.js';
import { CampanileError } from '../../errors.js';
import { notFound } from '../problem.js';
import { type Route, route } from '../route.js';
import { campaign } from '../schemas/campaign.js';
import { showCampaign } from './campaigns.js';

export const startCampaign = change({
  verb: 'start',
  summary: 'Start a draft that has contacts',
  from: ['draft'],
  code: 'campaign_not_draft',
  async make(tx, tenantId, { id, pending }) {
    if (pending === 0) throw conflict('campaign_empty', 'cannot start a campaign that has no contacts');
    await updateCampaignStatus(tx, tenantId, id, 'running');
    await notifyDue(tx);
  },
});

export const pauseCampaign = change({
  verb: 'pause',
  summary: 'Pause: no further calls; those under way go on',
  from: ['running'],
  code: 'campaign_not_running',
  make: (tx, tenantId, { id }) => updateCampaignStatus(tx, tenantId, id, 'paused'),
});

export const resumeCampaign = change({
  verb: 'resume',
  summary: 'Go on with a paused campaign',
  from: ['paused'],
  code: 'campaign_not_paused',
  async make(tx, tenantId, { id }) {
    await updateCampaignStatus(tx, tenantId, id, 'running');
    await notifyDue(tx);
  },
});

export const cancelCampaign = change({
  verb: 'cancel',
  summary: 'Cancel for good: contacts that wait are cancelled, calls that were answered go on',
  from: ['draft', 'running', 'paused'],
  code: 'campaign_ended',
  async make(tx, tenantId, { id }) {
    await updateCampaignStatus(tx, tenantId, id, 'cancelled');
    await cancelContacts(tx, tenantId, id);
    await notifyCancelled(tx, tenantId, id);
  },
});

/** A route that changes the status of a campaign in one of the statuses `from`, and answers with the campaign. */
function change(spec: {
  verb: string;
  summary: string;
  from: readonly CampaignStatus[];
  code: string;
  make(tx: Tx, tenantId: string, campaign: Campaign): Promise<void>;
}): Route {
  return route({
    method: 'post',
    path: `/v1/campaigns/{id}/${spec.verb}`,
    access: 'tenant',
    summary: spec.summary,
    answer: campaign,
    problems: [409],
    handle: ({ pool, tenant, id }) =>
      transaction(pool, async (tx) => {
        const found = await lockCampaign(tx, tenant.id, id);
        if (!found) throw notFound('campaign');
        if (!spec.from.includes(found.status)) {
          throw conflict(
            spec.code,
            `cannot ${spec.verb} a campaign that is ${found.status}, only one that is ${spec.from.join(' or ')}`,
          );
        }
        await spec.make(tx, tenant.id, found);
        const changed = await findCampaignById(tx, tenant.id, id);
        if (!changed) throw notFound('campaign');
        return showCampaign(changed);
      }),
  });
}

function conflict(code: string, message: string): CampanileError {
  return new CampanileError(code, message, { status: 409 });
}
