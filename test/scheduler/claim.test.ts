import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SipAccount } from '../../src/calls/sip-account.js';
import { registerNode } from '../../src/db/nodes.js';
import { insertSipAccount, saveAccountStates, updateSipAccount } from '../../src/db/sip-accounts.js';
import type { ClaimedCall } from '../../src/scheduler/claim.js';
import { countersOf, insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';

let database: TestDatabase;
const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };
const nothing = async () => {};
const account: SipAccount = {
  host: 'sip.example.com',
  port: null,
  transport: 'udp',
  srtp: false,
  user: 'acme',
  register: false,
  caller_ids: ['+12125550101', '+12125550102'],
  codecs: ['ulaw'],
  from_user: null,
  from_domain: null,
};

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, nodes, pbx_trunks, pace CASCADE');
  await registerNode(database.pool, node);
  await registerNode(database.pool, { ...node, name: 'b' });
});

const claim = (over: Partial<typeof node> = {}) => claimInTurn(database.pool, { ...node, ...over }, nothing);
const end = (calls: ClaimedCall[], as?: 'lost') =>
  finishInTurn(
    database.pool,
    calls.map((c) => ({ callId: c.callId, archiveStatus: 'Expired' as const, ...(as ? { as } : {}) })),
  );

describe('a claim', () => {
  it('takes what is due and opens an attempt for each', async () => {
    const tenant = await insertTenantFixture(database.pool);
    const campaign = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3), {
      callerId: '+12125550100',
    });
    const { calls } = await claim();
    expect(calls.map((c) => c.number).sort()).toEqual(numbersFor('200', 3));
    expect(calls[0]).toMatchObject({
      template: 'direct',
      pbxTrunk: 'far',
      callerId: '+12125550100',
      ringSeconds: 30,
    });
    const { kept, counted } = await countersOf(database.pool, campaign);
    expect(kept).toMatchObject({ pending: 0, calling: 3, attempts: 3 });
    expect(kept).toEqual(counted);
    expect((await claim()).calls).toEqual([]);
  });

  it.each([
    ['node', async () => ({ node: { ports: 4 } })],
    ['tenant', async () => ({ tenant: { ports: 4 } })],
    ['trunk', async () => ({ tenant: { trunkPorts: 4 } })],
    ['campaign', async () => ({ campaign: { ports: 4 } })],
  ])('stays within the ports of its %s', async (_, limits) => {
    const with_: { node?: object; tenant?: object; campaign?: object } = await limits();
    const tenant = await insertTenantFixture(database.pool, with_.tenant);
    await insertCampaignFixture(database.pool, tenant, numbersFor('200', 10), with_.campaign);
    const first = await claim(with_.node);
    expect(first.calls).toHaveLength(4);
    expect((await claim(with_.node)).calls).toHaveLength(0);
    await end(first.calls.slice(0, 3));
    expect((await claim(with_.node)).calls).toHaveLength(3);
  });

  it('waits until the PBX of its node has the SIP account as it is now', async () => {
    const { pool } = database;
    const tenant = await insertTenantFixture(pool);
    await insertSipAccount(pool, tenant.tenantId, tenant.trunkId, account, Buffer.from('sealed'));
    await insertCampaignFixture(pool, tenant, numbersFor('200', 3), { ports: 1 });
    const state = { tenant_id: tenant.tenantId, id: tenant.trunkId, registration: null, problem: null };
    expect((await claim()).calls).toEqual([]);
    await saveAccountStates(pool, 'b', [{ ...state, revision: 1 }]);
    expect((await claim()).calls).toEqual([]);
    await saveAccountStates(pool, 'a', [{ ...state, revision: 1 }]);
    const { calls } = await claim();
    // What the account shows when the campaign names nothing.
    expect(calls.map((c) => c.callerId)).toEqual(['+12125550101']);
    await end(calls);
    await updateSipAccount(pool, tenant.tenantId, tenant.trunkId, account, null);
    expect((await claim()).calls).toEqual([]);
  });

  it('shows no caller id that the SIP account may not show any more', async () => {
    const { pool } = database;
    const tenant = await insertTenantFixture(pool);
    const { tenantId, trunkId } = tenant;
    await insertSipAccount(pool, tenantId, trunkId, account, Buffer.from('sealed'));
    await saveAccountStates(pool, 'a', [
      { tenant_id: tenantId, id: trunkId, revision: 1, registration: null, problem: null },
    ]);
    for (const [i, callerId] of ['+12125550102', '+12125550199'].entries()) {
      await insertCampaignFixture(pool, tenant, numbersFor('200', 1, i), { callerId });
    }
    const { calls } = await claim();
    expect(calls.map((c) => c.callerId)).toEqual(['+12125550102']);
  });

  it('stays within the ports of a PBX trunk that two tenants share, and gives each half', async () => {
    for (let i = 0; i < 2; i++) {
      const tenant = await insertTenantFixture(database.pool, { pbxTrunk: 'shared' });
      await insertCampaignFixture(database.pool, tenant, numbersFor('200', 10));
    }
    await database.pool.query("UPDATE pbx_trunks SET ports = 6 WHERE name = 'shared'");
    const { calls } = await claim();
    expect(calls).toHaveLength(6);
    expect(new Set(calls.map((c) => c.tenantId)).size).toBe(2);
    for (const id of new Set(calls.map((c) => c.tenantId))) {
      expect(calls.filter((c) => c.tenantId === id)).toHaveLength(3);
    }
  });

  it('passes no limit when nodes claim at the same time', async () => {
    const tenant = await insertTenantFixture(database.pool, { ports: 7 });
    await insertCampaignFixture(database.pool, tenant, numbersFor('200', 50));
    const claims = await Promise.all(Array.from({ length: 8 }, (_, i) => claim({ name: i % 2 ? 'a' : 'b' })));
    const calls = claims.flatMap((c) => c.calls);
    expect(calls).toHaveLength(7);
    expect(new Set(calls.map((c) => c.number)).size).toBe(7);
  });

  it.each(['tenant', 'trunk', 'campaign', 'node'])(
    'stays within the calls per second of its %s',
    async (scope) => {
      const tenant = await insertTenantFixture(database.pool, {
        ...(scope === 'tenant' ? { rate: 2 } : {}),
        ...(scope === 'trunk' ? { trunkRate: 2 } : {}),
      });
      await insertCampaignFixture(
        database.pool,
        tenant,
        numbersFor('200', 10),
        scope === 'campaign' ? { rate: 2 } : {},
      );
      const over = scope === 'node' ? ({ callsPerSecond: 2 } as unknown as typeof node) : {};
      const first = await claim(over);
      expect(first.calls).toHaveLength(1);
      expect(first.wakeInMs).toBeGreaterThan(400);
      expect(first.wakeInMs).toBeLessThanOrEqual(500);
      expect((await claim(over)).calls).toHaveLength(0);
      await database.pool.query("UPDATE pace SET refilled_at = refilled_at - interval '500 ms'");
      expect((await claim(over)).calls).toHaveLength(1);
    },
  );

  it('takes retries that are due before fresh contacts, and tells when the next is due', async () => {
    const tenant = await insertTenantFixture(database.pool);
    const campaign = await insertCampaignFixture(database.pool, tenant, numbersFor('486', 5));
    await database.pool.query(
      `UPDATE contacts SET state = 'retrying', due_at = now() - interval '1 s' WHERE number = $1`,
      [numbersFor('486', 5)[4]],
    );
    await database.pool.query(
      `UPDATE contacts SET state = 'retrying', due_at = now() + interval '90 s' WHERE number = $1`,
      [numbersFor('486', 5)[3]],
    );
    const first = await claim({ ports: 2 });
    expect(first.calls.map((c) => c.number)).toContain(numbersFor('486', 5)[4]);
    await end(first.calls);
    const second = await claim();
    expect(second.calls).toHaveLength(2);
    expect(second.wakeInMs).toBeGreaterThan(85_000);
    expect(second.wakeInMs).toBeLessThanOrEqual(90_000);
    const { kept, counted } = await countersOf(database.pool, campaign);
    expect(kept).toEqual(counted);
  });

  it('leaves a campaign alone whose template this node lacks, and dials the others', async () => {
    for (const template of ['direct', 'special']) {
      const tenant = await insertTenantFixture(database.pool, { template });
      await insertCampaignFixture(database.pool, tenant, numbersFor('200', 2));
    }
    expect((await claim()).calls.map((c) => c.template)).toEqual(['direct', 'direct']);
  });

  it.each(['draft', 'paused', 'completed', 'cancelled'])('leaves a %s campaign alone', async (status) => {
    const tenant = await insertTenantFixture(database.pool);
    await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3), { status });
    expect((await claim()).calls).toEqual([]);
  });

  it('claims nothing whose file could not be staged', async () => {
    const tenant = await insertTenantFixture(database.pool);
    const campaign = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3));
    const refuse = async () => {
      throw new Error('ENOSPC');
    };
    await expect(claimInTurn(database.pool, node, refuse)).rejects.toThrow('ENOSPC');
    expect((await countersOf(database.pool, campaign)).kept).toMatchObject({
      pending: 3,
      calling: 0,
      attempts: 0,
    });
    expect((await claim()).calls).toHaveLength(3);
  });

  it('moves every campaign of a tenant from the first claim, by weight', async () => {
    const tenant = await insertTenantFixture(database.pool, { ports: 8 });
    const heavy = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 50), { weight: 3 });
    const light = await insertCampaignFixture(database.pool, tenant, numbersFor('201', 50));
    await claim();
    expect((await countersOf(database.pool, heavy)).kept.calling).toBe(6);
    expect((await countersOf(database.pool, light)).kept.calling).toBe(2);
  });
});
