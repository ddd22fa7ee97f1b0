import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { finishAttempts } from '../../src/db/finish.js';
import { registerNode } from '../../src/db/nodes.js';
import { transaction } from '../../src/db/pool.js';
import { forgetTrunkCounts, type TrunkVerdict } from '../../src/db/trunk-health.js';
import { waitForTurn } from '../../src/db/turn.js';
import type { ClaimedCall } from '../../src/scheduler/claim.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { endedWith } from '../support/endings.js';
import { claimInTurn } from '../support/turns.js';

let database: TestDatabase;
let tenant: TenantFixture;
let calls: ClaimedCall[];
const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };
const breaker = { failures: 4, share: 0.5, seconds: 60, rest_seconds: 300 };

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks, pace CASCADE');
  await registerNode(database.pool, node);
  tenant = await insertTenantFixture(database.pool);
  await database.pool.query('UPDATE trunks SET breaker = $1', [JSON.stringify(breaker)]);
  await insertCampaignFixture(database.pool, tenant, numbersFor('503', 60), { ports: 20 });
  calls = await dial();
});

const dial = async () => (await claimInTurn(database.pool, node, async () => {})).calls;
/** Ends the next calls with these SIP statuses, in one transaction. */
async function end(...statuses: number[]): Promise<TrunkVerdict[]> {
  const endings = statuses.map((sip) => endedWith(calls.shift()!, sip));
  return transaction(database.pool, async (tx) => {
    await waitForTurn(tx);
    const { trunks, written } = await finishAttempts(tx, endings);
    await written;
    return trunks;
  });
}
async function trunk() {
  const { rows } = await database.pool.query(
    `SELECT resting_since AS since, resting_reason AS reason,
        extract(epoch FROM resting_until - statement_timestamp())::double precision AS seconds FROM trunks`,
  );
  return rows[0];
}
const restIsOver = () =>
  database.pool.query(
    `UPDATE trunks SET resting_until = statement_timestamp() - interval '1 ms' WHERE resting_until IS NOT NULL`,
  );

describe('a trunk', () => {
  it('rests when enough calls failed on it, over several transactions, and says why', async () => {
    expect(await end(503, 503, 486)).toEqual([]);
    expect(await end(200, 503)).toEqual([]);
    expect(await end(0)).toEqual([
      {
        tenantId: tenant.tenantId,
        trunkId: tenant.trunkId,
        verdict: 'rest',
        reason: '4 of its last 6 calls failed; the carrier did not answer: not one SIP response came',
        restSeconds: 300,
      },
    ]);
    const { seconds, reason } = await trunk();
    expect(reason).toContain('4 of its last 6');
    expect(seconds).toBeGreaterThan(290);
    expect(seconds).toBeLessThanOrEqual(300);
    // What was under way meanwhile changes nothing.
    expect(await end(503, 503, 200)).toEqual([]);
  });

  it('goes on where more calls get through, or what failed was not its fault', async () => {
    expect(await end(503, 503, 503, 486, 603, 404, 200, 480)).toEqual([]);
    expect(await end(503)).toEqual([]);
    expect(await end(488, 488, 488, 488, 488)).toEqual([]);
    expect(await trunk()).toMatchObject({ since: null });
  });

  it('goes on where its failures are older than the time, and never rests without a breaker', async () => {
    await end(503, 503, 503);
    await database.pool.query(`UPDATE trunk_slices SET at = at - interval '61 s'`);
    expect(await end(503, 503, 503)).toEqual([]);
    await database.pool.query('UPDATE trunks SET breaker = NULL');
    expect(await end(503, 503, 503)).toEqual([]);
    expect(await trunk()).toMatchObject({ since: null });
  });

  it('is tried by a few calls after its rest, rests on when they fail, and works again with one that gets through', async () => {
    await end(503, 503, 503, 503);
    const { since } = await trunk();
    expect(await dial()).toEqual([]);
    await restIsOver();
    const before = calls;
    calls = await dial();
    expect(calls).toHaveLength(3);
    expect(await dial()).toEqual([]);
    const trials = calls;
    // Calls from before the rest tell nothing of it after.
    calls = before;
    expect(await end(200, 503)).toEqual([]);
    calls = trials;
    const [failed] = await end(503);
    expect(failed).toMatchObject({
      verdict: 'rest',
      reason: 'the calls tried after its rest failed too (SIP 503)',
    });
    expect((await trunk()).since).toEqual(since);
    expect((await trunk()).seconds).toBeGreaterThan(290);
    await restIsOver();
    calls = [...trials, ...(await dial())].slice(-3);
    expect(await end(486)).toMatchObject([{ verdict: 'work', reason: null }]);
    expect(await trunk()).toMatchObject({ since: null, seconds: null, reason: null });
    // It begins anew: what failed before does not count any more.
    calls = [...calls, ...(await dial())];
    expect(await end(503, 503, 503)).toEqual([]);
    expect(await end(503)).toMatchObject([{ verdict: 'rest' }]);
  });

  it('is not judged by calls that were taken back or lost', async () => {
    await end(503, 503, 503);
    await transaction(database.pool, async (tx) => {
      await waitForTurn(tx);
      const lost = calls
        .splice(0, 4)
        .map(({ callId }) => ({ callId, archiveStatus: null, as: 'lost' as const }));
      await (await finishAttempts(tx, lost)).written;
    });
    const { rows } = await database.pool.query('SELECT sum(judged)::integer AS judged FROM trunk_slices');
    expect(rows).toEqual([{ judged: 3 }]);
  });
});

it('forgets counts that are older than a day, and no others', async () => {
  await end(503, 200);
  await database.pool.query(
    `INSERT INTO trunk_slices SELECT tenant_id, trunk_id, at - interval '26 hours', 1, 1, 1, 1 FROM trunk_slices`,
  );
  const kept = 'SELECT seizures, answered, judged, faults FROM trunk_slices';
  expect(await forgetTrunkCounts(database.pool)).toBe((await database.pool.query(kept)).rowCount);
  expect((await database.pool.query(kept)).rows).toEqual([
    { seizures: 2, answered: 1, judged: 2, faults: 1 },
  ]);
});
