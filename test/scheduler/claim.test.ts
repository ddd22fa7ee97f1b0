import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseCallId } from '../../src/calls/call-id.js';
import type { SipAccount } from '../../src/calls/sip-account.js';
import { expireCampaigns } from '../../src/db/campaigns.js';
import { registerNode } from '../../src/db/nodes.js';
import { type Tx, transaction } from '../../src/db/pool.js';
import { insertSipAccount, saveAccountStates, updateSipAccount } from '../../src/db/sip-accounts.js';
import { beginTransfer } from '../../src/db/transfers.js';
import { waitForTurn } from '../../src/db/turn.js';
import { newId } from '../../src/ids.js';
import { type ClaimedCall, type ClaimMemory, claimCalls } from '../../src/scheduler/claim.js';
import { NOTHING_CLOSED } from '../../src/scheduler/closed.js';
import { countersOf, insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { insertDestination } from '../support/flows.js';
import { claimInTurn, finishInTurn, hashNumber } from '../support/turns.js';

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
  await database.pool.query(
    'TRUNCATE tenants, contacts, nodes, pbx_trunks, pace, installation_suppressions CASCADE',
  );
  await registerNode(database.pool, node);
  await registerNode(database.pool, { ...node, name: 'b' });
});

const claim = (over: Partial<typeof node> = {}) => claimInTurn(database.pool, { ...node, ...over }, nothing);
const end = (calls: ClaimedCall[], as?: 'lost') =>
  finishInTurn(
    database.pool,
    calls.map((c) => ({ callId: c.callId, archiveStatus: 'Expired' as const, ...(as ? { as } : {}) })),
  );

async function suppress(tenantId: string, number: string): Promise<void> {
  const listId = newId();
  await database.pool.query(
    "INSERT INTO suppression_lists (tenant_id, id, name, as_of) VALUES ($1, $2, 'no more', current_date)",
    [tenantId, listId],
  );
  await database.pool.query(
    'INSERT INTO suppressed_numbers (tenant_id, list_id, number) VALUES ($1, $2, $3)',
    [tenantId, listId, number],
  );
}

describe('a claim', () => {
  it('leaves a trunk the ports that transfers of open calls take', async () => {
    const tenant = await insertTenantFixture(database.pool, { trunkPorts: 4 });
    await insertCampaignFixture(database.pool, tenant, numbersFor('200', 9), { ports: 2 });
    const { calls } = await claim();
    expect(calls).toHaveLength(2);
    await insertCampaignFixture(database.pool, tenant, numbersFor('201', 9));
    const destination = await insertDestination(database.pool, tenant, { target: '+12125550123' });
    const { tenantId, attemptId } = parseCallId(calls[0]!.callId)!;
    const begun = await beginTransfer(database.pool, {
      ...{ tenantId, attemptId, step: 's', destinationId: destination },
    });
    expect(begun).toMatchObject({ kind: 'number' });
    // Two calls and the transfer: one is left, and the tenant's and the node's ports are what they were.
    expect((await claim()).calls).toHaveLength(1);
    await end(calls);
    expect((await claim()).calls).toHaveLength(3);
  });

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

  it('calls nobody who is on a list of the tenant or of the installation, and gives the port to the next', async () => {
    const { pool } = database;
    const tenant = await insertTenantFixture(pool, { ports: 2 });
    const other = await insertTenantFixture(pool);
    const [first, second, third, fourth] = numbersFor('200', 4) as [string, string, string, string];
    const campaign = await insertCampaignFixture(pool, tenant, [first, second, third, fourth]);
    const others = await insertCampaignFixture(pool, other, [first, third]);
    await suppress(tenant.tenantId, first);
    await pool.query('INSERT INTO installation_suppressions (number) VALUES ($1)', [third]);
    const one = await claim();
    expect(one.calls.map((c) => c.number).toSorted()).toEqual([first, second]);
    expect(one.calls.find((c) => c.number === first)?.tenantId).toBe(other.tenantId);
    expect(one.wakeInMs).toBe(0);
    expect(await claim()).toEqual({ calls: [], wakeInMs: 0 });
    const last = await claim();
    expect(last.calls.map((c) => c.number)).toEqual([fourth]);
    expect(last.wakeInMs).not.toBe(0);
    for (const id of [campaign, others]) {
      const { kept, counted } = await countersOf(pool, id);
      expect(kept).toEqual(counted);
      expect(kept).toMatchObject({ pending: 0, suppressed: id === campaign ? 2 : 1 });
    }
  });

  it('calls nobody for a tenant that is suspended, and goes on when it is not', async () => {
    const [one, other] = [await insertTenantFixture(database.pool), await insertTenantFixture(database.pool)];
    for (const tenant of [one, other])
      await insertCampaignFixture(database.pool, tenant, numbersFor('200', 2));
    const suspend = (suspended: boolean) =>
      database.pool.query('UPDATE tenants SET suspended = $2 WHERE id = $1', [one.tenantId, suspended]);
    await suspend(true);
    expect(new Set((await claim()).calls.map((c) => c.tenantId))).toEqual(new Set([other.tenantId]));
    await suspend(false);
    expect((await claim()).calls).toHaveLength(2);
  });

  it('calls nobody who is put on a list while a retry waits, and completes a campaign of such contacts', async () => {
    const { pool } = database;
    const tenant = await insertTenantFixture(pool);
    const [number] = numbersFor('486', 1) as [string];
    const campaign = await insertCampaignFixture(pool, tenant, [number], { retry: { lost: '1s' } });
    await end((await claim()).calls, 'lost');
    await pool.query("UPDATE contacts SET due_at = now() - interval '1 s'");
    await suppress(tenant.tenantId, number);
    expect((await claim()).calls).toEqual([]);
    const { rows } = await pool.query('SELECT status, suppressed, attempts FROM campaigns WHERE id = $1', [
      campaign,
    ]);
    expect(rows).toEqual([{ status: 'completed', suppressed: 1, attempts: 1 }]);
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

describe('a campaign that may not call now', () => {
  const ALWAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

  /** A window that is open around now by UTC, or closed until in two hours. */
  function hours(open: boolean): string {
    const clock = (ms: number) => new Date(Date.now() + ms).toISOString().slice(11, 16);
    return open ? `${clock(-HOUR)}-${clock(HOUR)}` : `${clock(2 * HOUR)}-${clock(3 * HOUR)}`;
  }
  const HOUR = 3_600_000;
  const windowIn = (zone: string, open: boolean) =>
    JSON.stringify({ weekdays: ALWAYS, hours: [hours(open)], except_dates: [], zone });

  it('calls nobody outside its window, and is woken when it opens', async () => {
    const tenant = await insertTenantFixture(database.pool);
    const id = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3));
    const set = (window: string) =>
      database.pool.query('UPDATE campaigns SET calling_window = $2 WHERE id = $1', [id, window]);
    await set(windowIn('UTC', false));
    const closed = await claim();
    expect(closed.calls).toEqual([]);
    expect(closed.wakeInMs).toBeGreaterThan(1.9 * HOUR);
    expect(closed.wakeInMs).toBeLessThanOrEqual(2 * HOUR);
    await set(windowIn('UTC', true));
    expect((await claim()).calls).toHaveLength(3);
  });

  it('calls those whose own zone is open, retries too, and nobody whose zone is not known', async () => {
    const tenant = await insertTenantFixture(database.pool);
    const [here, there, both, unknown, retrying] = numbersFor('200', 5) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const all = [here, there, both, unknown, retrying];
    const id = await insertCampaignFixture(database.pool, tenant, [], { retry: { lost: '1s' } });
    const zones: Record<string, string> = {
      [here]: 'UTC',
      [there]: 'Asia/Tokyo',
      [both]: 'Asia/Tokyo UTC',
      [unknown]: '',
      [retrying]: 'Asia/Tokyo',
    };
    for (const number of all) {
      await database.pool.query(
        'INSERT INTO contacts (tenant_id, id, campaign_id, number, zones, state) VALUES ($1, $2, $3, $4, $5, $6)',
        [tenant.tenantId, newId(), id, number, zones[number], 'pending'],
      );
    }
    await database.pool.query("UPDATE contacts SET state = 'retrying' WHERE number = $1", [retrying]);
    await database.pool.query('UPDATE campaigns SET calling_window = $2 WHERE id = $1', [
      id,
      windowIn('contact', true),
    ]);
    expect((await claim()).calls.map((c) => c.number)).toEqual([here]);
    expect((await claim()).calls).toEqual([]);
    await database.pool.query('UPDATE campaigns SET calling_window = NULL WHERE id = $1', [id]);
    expect((await claim()).calls.map((c) => c.number).toSorted()).toEqual(all.filter((n) => n !== here));
  });

  it('takes the ports of an open zone for the contacts there, however many wait where it is closed', async () => {
    const tenant = await insertTenantFixture(database.pool, { ports: 4 });
    const id = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 20));
    await database.pool.query(
      `INSERT INTO campaign_zones (tenant_id, campaign_id, zones)
        SELECT $1, $2, zones FROM unnest(ARRAY['Asia/Tokyo', 'UTC']) AS zones`,
      [tenant.tenantId, id],
    );
    await database.pool.query(`UPDATE contacts SET zones = 'Asia/Tokyo'`);
    await database.pool.query(
      `UPDATE contacts SET zones = 'UTC' WHERE id IN (SELECT id FROM contacts ORDER BY id DESC LIMIT 10)`,
    );
    await database.pool.query('UPDATE campaigns SET calling_window = $2 WHERE id = $1', [
      id,
      windowIn('contact', true),
    ]);
    const { calls } = await claim();
    expect(calls.map((c) => c.number)).toEqual(numbersFor('200', 4, 10));
  });

  it('waits for its start, and calls nobody after its end', async () => {
    const tenant = await insertTenantFixture(database.pool);
    const id = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3));
    const set = (times: string) => database.pool.query(`UPDATE campaigns SET ${times} WHERE id = $1`, [id]);
    await set(`start_at = now() + interval '1 hour'`);
    const early = await claim();
    expect(early.calls).toEqual([]);
    expect(early.wakeInMs).toBeGreaterThan(0.9 * HOUR);
    await set(`start_at = now() - interval '2 hours', end_at = now() - interval '1 second'`);
    expect(await claim()).toEqual({ calls: [], wakeInMs: null });
    await set(`end_at = now() + interval '1 hour'`);
    expect((await claim()).calls).toHaveLength(3);
  });

  it('that has ended expires those who were not reached, and completes when its last call is over', async () => {
    const tenant = await insertTenantFixture(database.pool, { ports: 1 });
    const id = await insertCampaignFixture(database.pool, tenant, numbersFor('486', 5), {
      retry: { busy: '1h' },
    });
    const { calls } = await claim();
    await database.pool.query(`UPDATE campaigns SET end_at = now() WHERE id = $1`, [id]);
    const expire = (most: number) =>
      transaction(database.pool, async (tx) => {
        await waitForTurn(tx);
        return expireCampaigns(tx, most);
      });
    expect(await expire(3)).toBe(3);
    expect(await expire(3)).toBe(1);
    const state = async () =>
      (await database.pool.query('SELECT status, calling, expired FROM campaigns WHERE id = $1', [id]))
        .rows[0];
    expect(await state()).toEqual({ status: 'running', calling: 1, expired: 4 });
    await finishInTurn(database.pool, [
      {
        callId: calls[0]!.callId,
        archiveStatus: 'Expired',
        report: {
          hangupCause: 17,
          sipStatus: 486,
          dialStatus: null,
          hungUpBy: 'callee',
          ringSeconds: 1,
          talkSeconds: 0,
        },
      },
    ]);
    expect(await expire(3)).toBe(1);
    expect(await state()).toEqual({ status: 'completed', calling: 0, expired: 5 });
    const { kept, counted } = await countersOf(database.pool, id);
    expect(kept).toEqual(counted);
  });

  it('is counted again only when it opens or closes', async () => {
    const tenant = await insertTenantFixture(database.pool, { ports: 1 });
    const id = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3));
    await database.pool.query('UPDATE campaigns SET calling_window = $2 WHERE id = $1', [
      id,
      windowIn('UTC', false),
    ]);
    const memory: ClaimMemory = { closed: NOTHING_CLOSED };
    const counted = async () => {
      let times = 0;
      await transaction(database.pool, async (tx) => {
        await waitForTurn(tx);
        const query = (statement: string | { name?: string }, values?: unknown[]) => {
          if (typeof statement !== 'string' && statement.name === 'find-due-campaigns') times += 1;
          return tx.query(statement as string, values);
        };
        await claimCalls({ query } as unknown as Tx, { ...node, hashNumber }, async () => [], memory);
      });
      return times;
    };
    expect([await counted(), await counted()]).toEqual([2, 1]);
    await database.pool.query('UPDATE campaigns SET calling_window = $2 WHERE id = $1', [
      id,
      windowIn('UTC', true),
    ]);
    expect([await counted(), await counted()]).toEqual([2, 1]);
  });
});
