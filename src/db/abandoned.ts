import { whyTooManyAbandoned } from '../calls/flow/transfer.js';
import { newId } from '../ids.js';
import { insertAuditEntry } from './audit-log.js';
import { lockCampaign } from './campaigns.js';
import { type Pool, transaction } from './pool.js';
import { countTransfers } from './transfers.js';

/**
 * Pauses a campaign that is running when more of its transfers were abandoned than it allows, with the reason in the audit log.
 * Returns that reason, null when it goes on. To be called when one was abandoned.
 */
export async function pauseWhereAbandoned(
  pool: Pool,
  tenantId: string,
  campaignId: string,
): Promise<string | null> {
  return transaction(pool, async (tx) => {
    const campaign = await lockCampaign(tx, tenantId, campaignId);
    if (campaign?.status !== 'running' || campaign.max_abandoned_percent === null) return null;
    const counts = await countTransfers(tx, tenantId, campaignId);
    const reason = whyTooManyAbandoned(counts, campaign.max_abandoned_percent);
    if (reason === null) return null;
    await tx.query(
      `UPDATE campaigns SET status = 'paused', paused_reason = $3 WHERE tenant_id = $1 AND id = $2`,
      [tenantId, campaignId, reason],
    );
    await insertAuditEntry(tx, {
      id: newId(),
      tenant_id: tenantId,
      role: 'campanile',
      subject: null,
      key_id: null,
      action: 'pause campaign',
      object_id: campaignId,
      request: { reason },
    });
    return reason;
  });
}
