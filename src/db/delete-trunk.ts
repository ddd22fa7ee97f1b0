import { CampanileError } from '../errors.js';
import type { Tx } from './pool.js';
import { waitForTurn } from './turn.js';

/**
 * Deletes a trunk, its SIP account and what was counted of it; attempts keep its id, and campaigns that have ended go on without
 * it. Resolves with false where there is none that may be deleted. Throws a CampanileError while it is needed:
 * `trunk_in_use` by campaigns that have not ended, `calls_under_way` by calls.
 */
export async function deleteTrunk(tx: Tx, tenantId: string, id: string): Promise<boolean> {
  // So that no claim is between finding the trunk and opening an attempt on it.
  await waitForTurn(tx);
  const key = [tenantId, id];
  // A campaign that is being given the trunk waits here, or is waited for.
  const { rowCount } = await tx.query('SELECT FROM trunks WHERE tenant_id = $1 AND id = $2 FOR UPDATE', key);
  if (rowCount === 0) return false;
  const { rows: campaigns } = await tx.query<{ id: string; name: string }>(
    `SELECT p.id, p.name FROM campaign_trunks ct JOIN campaigns p ON p.tenant_id = ct.tenant_id AND p.id = ct.campaign_id
      WHERE ct.tenant_id = $1 AND ct.trunk_id = $2 AND p.status IN ('draft', 'running', 'paused') ORDER BY p.id`,
    key,
  );
  if (campaigns.length > 0) throw inUse(campaigns);
  const { rows: destinations } = await tx.query<{ name: string }>(
    'SELECT name FROM transfer_destinations WHERE tenant_id = $1 AND trunk_id = $2 ORDER BY id LIMIT 1',
    key,
  );
  if (destinations[0]) {
    const message = `cannot delete a trunk over which the transfer destination ${JSON.stringify(destinations[0].name)} is dialled; give it another trunk_id`;
    throw new CampanileError('trunk_in_use', message);
  }
  const { rows } = await tx.query<{ calls: number }>(
    `SELECT count(*)::integer AS calls FROM attempts WHERE tenant_id = $1 AND trunk_id = $2 AND state = 'open'`,
    key,
  );
  const { calls } = rows[0]!;
  if (calls > 0) {
    const message = `${calls} calls are under way on the trunk: try again when they are over`;
    throw new CampanileError('calls_under_way', message);
  }
  await tx.query('DELETE FROM trunks WHERE tenant_id = $1 AND id = $2', key);
  return true;
}

const MOST_NAMED = 10;

function inUse(campaigns: readonly { id: string; name: string }[]): CampanileError {
  const named = campaigns.slice(0, MOST_NAMED).map(({ id, name }) => `${JSON.stringify(name)} (${id})`);
  const more = campaigns.length > MOST_NAMED ? ` and ${campaigns.length - MOST_NAMED} more` : '';
  const message = `cannot delete a trunk of campaigns that have not ended: ${named.join(', ')}${more}; give them other trunk_ids, or cancel them`;
  return new CampanileError('trunk_in_use', message);
}
