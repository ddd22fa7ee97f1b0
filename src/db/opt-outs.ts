import { newId } from '../ids.js';
import { type Pool, transaction } from './pool.js';

/**
 * Puts a number (E.164) on the tenant's list of opt-outs, which is made when there is none. It holds from the commit on, for
 * contacts that wait in any campaign too: the claim looks there.
 */
export async function addOptOut(pool: Pool, tenantId: string, number: string): Promise<void> {
  await transaction(pool, async (tx) => {
    await tx.query(
      `INSERT INTO suppression_lists (tenant_id, id, name, as_of, opt_outs)
        VALUES ($1, $2, 'Opt-outs', current_date, true) ON CONFLICT (tenant_id) WHERE opt_outs DO NOTHING`,
      [tenantId, newId()],
    );
    await tx.query(
      `INSERT INTO suppressed_numbers (tenant_id, list_id, number)
        SELECT tenant_id, id, $2 FROM suppression_lists WHERE tenant_id = $1 AND opt_outs ON CONFLICT DO NOTHING`,
      [tenantId, number],
    );
  });
}
