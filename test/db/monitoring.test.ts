import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  countFullTenants,
  findWebhookBacklog,
  listDueNow,
  listNodePorts,
  listRunningCampaigns,
  listTrunkPorts,
} from '../../src/db/monitoring.js';
import { registerNode } from '../../src/db/nodes.js';
import type { Db } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { claimInTurn } from '../support/turns.js';

let database: TestDatabase;
let tenant: TenantFixture;
const node = { name: 'a', ports: 10, callsPerSecond: null, templates: ['direct'] };

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks, pace CASCADE');
  await registerNode(database.pool, node);
  tenant = await insertTenantFixture(database.pool, { ports: 8, trunkPorts: 6 });
});

const query = (text: string, values: unknown[] = []) => database.pool.query(text, values);
const claim = async () => (await claimInTurn(database.pool, node, async () => {})).calls;
/** Everything that was begun was begun so long ago. */
const age = () =>
  Promise.all([
    query(`UPDATE attempts SET claimed_at = claimed_at - interval '2 minutes'`),
    query(`UPDATE campaigns SET started_at = started_at - interval '2 minutes'`),
    query(`UPDATE pace SET refilled_at = refilled_at - interval '2 minutes'`),
  ]);
async function dueNow(closed: { campaignId: string; zones: string }[] = []) {
  const ids = (await listRunningCampaigns(database.pool)).map(({ campaign_id }) => campaign_id);
  return listDueNow(database.pool, ids, closed, 60);
}
/** A campaign that could be dialled for two minutes, and was not. */
async function stalled(options: Parameters<typeof insertCampaignFixture>[3] = {}): Promise<string> {
  const id = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 20), options);
  await age();
  return id;
}
const isStalled = async () => (await dueNow()).map(({ stalled }) => stalled);

describe('a campaign is stalled', () => {
  it('when it could call and has begun no call for a minute, and not once it begins one', async () => {
    const id = await stalled({ ports: 5 });
    expect(await dueNow()).toEqual([{ id, test: false, stalled: true }]);
    await query('UPDATE campaigns SET ports = 3');
    await claim();
    await query('UPDATE campaigns SET ports = 5');
    expect(await dueNow()).toEqual([{ id, test: false, stalled: false }]);
    await age();
    expect(await dueNow()).toEqual([{ id, test: false, stalled: true }]);
  });

  it('not when campaign, tenant, trunk, PBX trunk or node have no port left', async () => {
    await stalled();
    expect(await claim()).toHaveLength(6);
    await age();
    const others = [
      `UPDATE trunks SET ports = 100`,
      `UPDATE tenants SET ports = 100`,
      `UPDATE nodes SET ports = 100`,
    ];
    // Each in turn is what binds; with the last nothing does.
    const binding: boolean[] = [];
    binding.push(...(await isStalled()));
    await query(others[0]!);
    expect(await isStalled()).toEqual([true]);
    await query('UPDATE tenants SET ports = 6');
    binding.push(...(await isStalled()));
    await query(others[1]!);
    await query('UPDATE nodes SET ports = 6');
    binding.push(...(await isStalled()));
    await query(others[2]!);
    await query('UPDATE pbx_trunks SET ports = 6');
    binding.push(...(await isStalled()));
    await query('UPDATE pbx_trunks SET ports = 7');
    await query('UPDATE campaigns SET ports = 6');
    binding.push(...(await isStalled()));
    expect(binding).toEqual([false, false, false, false, false]);
    await query('UPDATE campaigns SET ports = 7');
    expect(await isStalled()).toEqual([true]);
  });

  it('not while its trunk rests, nor while a limit of speed lets calls begin', async () => {
    await stalled();
    await query(
      `UPDATE trunks SET resting_since = now(), resting_until = now() + interval '1 hour', resting_reason = 'r'`,
    );
    expect(await isStalled()).toEqual([false]);
    await query('UPDATE trunks SET resting_since = NULL, resting_until = NULL, resting_reason = NULL');
    expect(await isStalled()).toEqual([true]);
    for (const [scope, of] of Object.entries({
      trunk: tenant.trunkId,
      pbx_trunk: tenant.pbxTrunk,
      tenant: tenant.tenantId,
    })) {
      await query('INSERT INTO pace (scope, id, tokens, refilled_at) VALUES ($1, $2, 0, now())', [scope, of]);
      expect(await isStalled(), scope).toEqual([false]);
      await age();
      expect(await isStalled(), scope).toEqual([true]);
    }
  });

  it('also when no node is alive, but not when only sandboxes are full', async () => {
    await stalled();
    await query(`UPDATE nodes SET seen_at = now() - interval '10 minutes'`);
    expect(await isStalled()).toEqual([true]);
    await registerNode(database.pool, { name: 'a/test', ports: 0, callsPerSecond: null });
    expect(await isStalled()).toEqual([true]);
  });

  it('by itself: test campaigns have their own ports and nodes', async () => {
    await stalled({ test: true });
    expect(await dueNow()).toMatchObject([{ test: true, stalled: true }]);
    await registerNode(database.pool, { name: 'a/test', ports: 0, callsPerSecond: null });
    expect(await isStalled()).toEqual([false]);
  });
});

describe('a campaign is not due', () => {
  it('where its zones are closed, its contacts have time, it is paused, or its tenant suspended', async () => {
    const id = await stalled();
    expect(await dueNow([{ campaignId: id, zones: '' }])).toEqual([]);
    await query(`UPDATE contacts SET due_at = now() + interval '1 hour'`);
    expect(await dueNow()).toEqual([]);
    await query(
      `UPDATE contacts SET due_at = now() - interval '1 s', state = 'retrying' WHERE number LIKE '%0200'`,
    );
    expect(await dueNow()).toHaveLength(1);
    await query('UPDATE tenants SET suspended = true');
    expect(await dueNow()).toEqual([]);
    await query(`UPDATE tenants SET suspended = false`);
    await query(`UPDATE campaigns SET status = 'paused'`);
    expect(await dueNow()).toEqual([]);
  });
});

describe('ports', () => {
  it('are told of nodes and trunks, and whose tenants are full', async () => {
    await stalled();
    await registerNode(database.pool, { name: 'old', ports: 5, callsPerSecond: null });
    await query(`UPDATE nodes SET seen_at = now() - interval '2 days' WHERE name = 'old'`);
    await claim();
    expect(await listNodePorts(database.pool)).toMatchObject([{ name: 'a', ports: 10, in_use: 6 }]);
    await query(`UPDATE attempts SET node = 'old' WHERE id = (SELECT id FROM attempts LIMIT 1)`);
    expect(await listNodePorts(database.pool)).toMatchObject([
      { name: 'a', in_use: 5 },
      { name: 'old', in_use: 1 },
    ]);
    const { trunks, omitted } = await listTrunkPorts(database.pool, 10);
    expect(trunks).toEqual([{ id: tenant.trunkId, ports: 6, in_use: 6, resting: false }]);
    expect(omitted).toBe(0);
    expect(await countFullTenants(database.pool)).toBe(0);
    await query('UPDATE tenants SET ports = 6');
    expect(await countFullTenants(database.pool)).toBe(1);
  });
});

describe('what monitoring asks', () => {
  it('reads no table of contacts, attempts or deliveries, however many there are', async () => {
    for (let i = 0; i < 5; i += 1)
      await insertCampaignFixture(database.pool, tenant, numbersFor('200', 600, i * 700));
    await query(
      `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal, claimed_at,
          state, ended_at, disposition)
        SELECT tenant_id, id, campaign_id, id, $1, $2, 'a', number, 1, now(), 'ended', now(), 'busy' FROM contacts`,
      [tenant.trunkId, tenant.pbxTrunk],
    );
    const webhookId = newId();
    await query(
      `INSERT INTO webhooks (tenant_id, id, url, events, sealed_secret) VALUES ($1, $2, 'https://a.example', '{attempt.ended}', '')`,
      [tenant.tenantId, webhookId],
    );
    await query(
      `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, type, body, state, next_attempt_at)
        SELECT $1, gen_random_uuid(), $2, n, 'attempt.ended', '{}', CASE WHEN n > 50 THEN 'delivered' ELSE 'pending' END,
          CASE WHEN n > 50 THEN NULL ELSE now() END FROM generate_series(1, 3000) AS n`,
      [tenant.tenantId, webhookId],
    );
    await claim();
    await query('ANALYZE');
    expect(await findWebhookBacklog(database.pool, 40)).toMatchObject({ deliveries: 40 });
    const ids = (await listRunningCampaigns(database.pool)).map(({ campaign_id }) => campaign_id);
    const plans: string[] = [];
    const explained: Db = {
      async query(text, values) {
        const { rows } = await database.pool.query(`EXPLAIN ${text}`, values);
        plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
        return database.pool.query(text as string, values);
      },
    };
    await listDueNow(explained, ids, [], 60);
    await listNodePorts(explained);
    await listTrunkPorts(explained, 1000);
    await countFullTenants(explained);
    await findWebhookBacklog(explained, 1000);
    await listRunningCampaigns(explained);
    expect(plans).toHaveLength(6);
    for (const plan of plans) expect(plan).not.toMatch(/Seq Scan on (contacts|attempts|webhook_deliveries)/);
  });
});
