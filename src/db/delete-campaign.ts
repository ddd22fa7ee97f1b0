import { lockCampaign } from './campaigns.js';
import { deleteUnusedFlows } from './flows.js';
import { type TenantDatabase, transaction } from './pool.js';

/** So many rows are deleted in a fraction of a second; a million at once would take longer than a statement may. */
const AT_ONCE = 10_000;

/**
 * Deletes a cancelled or completed campaign with its attempts and contacts. When it is cut off, what is left is deleted by
 * asking again.
 */
export async function deleteCampaign(db: TenantDatabase, tenantId: string, id: string): Promise<void> {
  for (const table of ['attempts', 'contacts']) {
    for (let deleted = AT_ONCE; deleted === AT_ONCE; ) {
      deleted = await transaction(db, async (tx) => {
        await lockCampaign(tx, tenantId, id);
        const { rowCount } = await tx.query(
          `DELETE FROM ${table} WHERE tenant_id = $1 AND id IN (
              SELECT id FROM ${table} WHERE tenant_id = $1 AND campaign_id = $2 LIMIT ${AT_ONCE})`,
          [tenantId, id],
        );
        return rowCount ?? 0;
      });
    }
  }
  await db.query('DELETE FROM campaigns WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
  await deleteUnusedFlows(db, tenantId);
}
