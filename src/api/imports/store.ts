import { findCampaignById, lockCampaign, notifyDue } from '../../db/campaigns.js';
import { lockUploads } from '../../db/contacts.js';
import { completeImport, type Import } from '../../db/imports.js';
import type { Tx } from '../../db/pool.js';
import { insertStagedContacts } from '../../db/staging.js';
import { checkOpen } from '../campaign-open.js';
import { checkContactLimit } from '../contact-limit.js';
import { notFound } from '../problem.js';

/**
 * Makes contacts of what was received, all at once, unless the campaign has ended meanwhile. The campaign's calls go on: it is
 * locked only when the INSERT's trigger has counted, for the few statements that follow. Returns the job as it is then.
 */
export async function storeImport(tx: Tx, tenantId: string, item: Import): Promise<Import> {
  await lockUploads(tx, tenantId, item.campaign_id);
  const before = await findCampaignById(tx, tenantId, item.campaign_id);
  if (!before) throw notFound('campaign');
  checkOpen(before.status);
  const added = await insertStagedContacts(tx, tenantId, item.campaign_id);
  const campaign = await lockCampaign(tx, tenantId, item.campaign_id);
  if (!campaign) throw notFound('campaign');
  checkOpen(campaign.status);
  await checkContactLimit(tx, tenantId, added);
  const completed = await completeImport(tx, tenantId, item.id, added);
  if (campaign.status === 'running') await notifyDue(tx);
  return completed;
}
