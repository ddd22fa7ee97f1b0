import { destinationsOf } from '../../calls/flow/texts.js';
import type { CampaignStatus } from '../../calls/states.js';
import {
  type Campaign,
  findCampaignById,
  lockCampaign,
  notifyCancelled,
  notifyDue,
  updateCampaignArchived,
  updateCampaignStatus,
  updateFlowVersion,
} from '../../db/campaigns.js';
import { findMissingFields, findNeededFields } from '../../db/contact-fields.js';
import { cancelContacts } from '../../db/contacts.js';
import { shareFlow } from '../../db/flows.js';
import { type Db, type TenantDatabase, type Tx, transaction } from '../../db/pool.js';
import { findOldSuppressionLists } from '../../db/suppressions.js';
import { listUnknownDestinations } from '../../db/transfer-destinations.js';
import { CampanileError } from '../../errors.js';
import type { ProblemCode } from '../../problems.js';
import { notFound } from '../problem.js';
import { type Route, route } from '../route.js';
import { campaign } from '../schemas/campaign.js';
import { showCampaign } from './campaigns.js';

export const startCampaign = changeStatus(
  'start',
  'Start a draft that has contacts',
  async (tx, tenantId, found) => {
    expectStatus('start', 'campaign_not_draft', found, ['draft']);
    if (found.pending === 0)
      throw new CampanileError('campaign_empty', 'cannot start a campaign that has no contacts');
    if (found.trunk_ids.length === 0) {
      throw new CampanileError(
        'campaign_without_trunk',
        'cannot start a campaign that has no trunk: those of the one that it was copied from were deleted; set its trunk_ids',
      );
    }
    await checkSuppressionLists(tx, tenantId, found);
    await takeNewestFlow(tx, tenantId, found);
    await checkFields(tx, tenantId, found);
    await updateCampaignStatus(tx, tenantId, found.id, 'running');
    await notifyDue(tx);
  },
  {
    problems: [
      'campaign_not_draft',
      'campaign_empty',
      'campaign_without_trunk',
      'suppression_lists_old',
      'contacts_lack_fields',
      'destination_missing',
    ],
  },
);

export const pauseCampaign = changeStatus(
  'pause',
  'Pause: no further calls; those under way go on',
  async (tx, tenantId, found) => {
    expectStatus('pause', 'campaign_not_running', found, ['running']);
    await updateCampaignStatus(tx, tenantId, found.id, 'paused');
  },
  { problems: ['campaign_not_running'] },
);

export const resumeCampaign = changeStatus(
  'resume',
  'Go on with a paused campaign',
  async (tx, tenantId, found) => {
    expectStatus('resume', 'campaign_not_paused', found, ['paused']);
    await checkSuppressionLists(tx, tenantId, found);
    await checkFields(tx, tenantId, found);
    await updateCampaignStatus(tx, tenantId, found.id, 'running');
    await notifyDue(tx);
  },
  { problems: ['campaign_not_paused', 'suppression_lists_old', 'contacts_lack_fields'] },
);

export const cancelCampaign = changeStatus(
  'cancel',
  'Cancel for good: contacts that wait are cancelled, calls that were answered go on',
  async (tx, tenantId, found) => {
    // Cut off between two batches, it is finished by asking again.
    if (found.status !== 'cancelled' || found.pending + found.retrying === 0) {
      expectStatus('cancel', 'campaign_ended', found, ['draft', 'running', 'paused']);
      await updateCampaignStatus(tx, tenantId, found.id, 'cancelled');
      await notifyCancelled(tx, tenantId, found.id);
    }
    await cancelContacts(tx, tenantId, found.id, BATCH);
  },
  { problems: ['campaign_ended'], rest: cancelRest },
);

export const archiveCampaign = changeStatus(
  'archive',
  'Put a campaign that has ended into the archive: lists show it when asked for archived ones',
  async (tx, tenantId, found) => {
    expectStatus('archive', 'campaign_not_ended', found, ['completed', 'cancelled']);
    await updateCampaignArchived(tx, tenantId, found.id, true);
  },
  { problems: ['campaign_not_ended'] },
);

export const unarchiveCampaign = changeStatus(
  'unarchive',
  'Take a campaign out of the archive',
  (tx, tenantId, found) => updateCampaignArchived(tx, tenantId, found.id, false),
  {},
);

/** So many contacts are cancelled in a fraction of a second, in which the ends of the campaign's calls wait. */
const BATCH = 10_000;

/**
 * Cancels what the first batch left. A million contacts in one transaction would take longer than a statement may,
 * and everybody who needs the campaign would wait for it; its status alone already ends the calling.
 */
async function cancelRest(db: TenantDatabase, tenantId: string, id: string): Promise<void> {
  for (let cancelled = BATCH; cancelled === BATCH; ) {
    cancelled = await transaction(db, async (tx) => {
      await lockCampaign(tx, tenantId, id);
      return cancelContacts(tx, tenantId, id, BATCH);
    });
  }
}

/** A route that changes a campaign's status in a transaction, does the `rest` after it, and answers the campaign. */
function changeStatus(
  verb: string,
  summary: string,
  act: (tx: Tx, tenantId: string, found: Campaign) => Promise<void>,
  options: {
    problems?: readonly ProblemCode[];
    rest?: (db: TenantDatabase, tenantId: string, id: string) => Promise<void>;
  },
): Route {
  const { problems = [], rest } = options;
  return route({
    method: 'post',
    path: `/v1/campaigns/{id}/${verb}`,
    access: 'tenant',
    summary,
    answer: campaign,
    problems,
    async handle({ db, change, tenant, id }) {
      const show = async (db: Db) => showCampaign((await findCampaignById(db, tenant.id, id)) ?? missing());
      const shown = await change(async (tx) => {
        await act(tx, tenant.id, (await lockCampaign(tx, tenant.id, id)) ?? missing());
        return show(tx);
      });
      if (!rest) return shown;
      await rest(db, tenant.id, id);
      return show(db);
    },
  });
}

/** From its start on a campaign goes by one version of its flow, whatever becomes of the flow. */
async function takeNewestFlow(tx: Tx, tenantId: string, { id, flow_id }: Campaign): Promise<void> {
  if (flow_id === null) return;
  const flow = await shareFlow(tx, tenantId, flow_id);
  if (!flow) throw new Error(`the flow ${flow_id} of a draft was deleted`);
  const ids = destinationsOf(flow.definition).map((destination) => destination.id);
  const [gone] = await listUnknownDestinations(tx, tenantId, ids);
  if (gone !== undefined) {
    const message = `the flow of the campaign transfers to ${gone}, which was deleted: save the flow with another destination`;
    throw new CampanileError('destination_missing', message);
  }
  await updateFlowVersion(tx, tenantId, id, flow.version);
}

/** Throws a CampanileError (`suppression_lists_old`, 409) when the campaign demands newer suppression lists than there are. */
async function checkSuppressionLists(tx: Tx, tenantId: string, found: Campaign): Promise<void> {
  const days = found.suppression_max_age_days;
  if (days === null) return;
  const old = await findOldSuppressionLists(tx, tenantId, days);
  if (old?.length === 0) return;
  const why =
    old === null ? 'there is none' : `too old: ${old.map((name) => JSON.stringify(name)).join(', ')}`;
  throw new CampanileError(
    'suppression_lists_old',
    `the campaign demands suppression lists of the last ${days} days, and ${why}; bring them up to date and set their as_of`,
  );
}

/** Throws a CampanileError (`contacts_lack_fields`, 409) when contacts that wait lack a field that the calls would speak. */
async function checkFields(tx: Tx, tenantId: string, found: Campaign): Promise<void> {
  const missing = await findMissingFields(
    tx,
    tenantId,
    found.id,
    await findNeededFields(tx, tenantId, found),
  );
  if (missing.length === 0) return;
  const named = missing.map(({ field, contacts, examples }) => {
    const some = examples.join(', ') + (contacts > examples.length ? ' ...' : '');
    return `${contacts} ${contacts === 1 ? 'contact lacks' : 'contacts lack'} ${JSON.stringify(field)} (${some})`;
  });
  throw new CampanileError(
    'contacts_lack_fields',
    `${named.join('; ')}: name a default where the text names the field, as in {${missing[0]!.field}|default}, or say something else`,
  );
}

function missing(): never {
  throw notFound('campaign');
}

function expectStatus(
  verb: string,
  code: ProblemCode,
  { status }: Campaign,
  from: readonly CampaignStatus[],
): void {
  if (from.includes(status)) return;
  throw new CampanileError(
    code,
    `cannot ${verb} a campaign that is ${status}, only one that is ${from.join(' or ')}`,
  );
}
