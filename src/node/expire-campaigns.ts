import { expireCampaigns } from '../db/campaigns.js';
import { type Pool, transaction } from '../db/pool.js';
import { waitForTurn } from '../db/turn.js';

/** So many contacts expire in a fraction of a second, in which no turn can be taken. */
const AT_ONCE = 10_000;

/** Ends campaigns whose time is over; returns how many contacts have expired. */
export async function expireInTurns(pool: Pool): Promise<number> {
  for (let sum = 0; ; ) {
    const expired = await transaction(pool, async (tx) => {
      await waitForTurn(tx);
      return expireCampaigns(tx, AT_ONCE);
    });
    sum += expired;
    if (expired < AT_ONCE) return sum;
  }
}
