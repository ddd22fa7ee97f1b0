import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pauseWhereAbandoned } from '../../src/db/abandoned.js';
import { transaction } from '../../src/db/pool.js';
import {
  type BegunTransfer,
  beginTransfer,
  countTransfers,
  endForgottenTransfers,
  endTransfer,
} from '../../src/db/transfers.js';
import { newId } from '../../src/ids.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  insertTrunkFixture,
  numbersFor,
  statusOf,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { insertDestination } from '../support/flows.js';

let database: TestDatabase;
let tenant: TenantFixture;
let campaign: string;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, nodes, pbx_trunks CASCADE');
  await database.pool.query(`INSERT INTO nodes (name, ports) VALUES ('a', 100), ('b', 100)`);
  tenant = await insertTenantFixture(database.pool, { trunkPorts: 20 });
  campaign = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 1), {
    callerId: '+12125550100',
  });
});

const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

/** An answered call that is open; returns its attempt's id. */
async function call(): Promise<string> {
  const id = newId();
  await query(
    `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal)
      SELECT $1, $2, $3, id, $4, 'far', 'a', number, 1 FROM contacts WHERE campaign_id = $3 LIMIT 1`,
    [tenant.tenantId, id, campaign, tenant.trunkId],
  );
  return id;
}
const endCalls = () =>
  query(
    `UPDATE attempts SET state = 'ended', disposition = 'answered', ended_at = now() - interval '2 minutes'`,
  );
const begin = async (destinationId: string, attemptId?: string) =>
  beginTransfer(database.pool, {
    tenantId: tenant.tenantId,
    attemptId: attemptId ?? (await call()),
    step: 'pass_on',
    destinationId,
  });
async function end(begun: unknown, outcome: 'connected' | 'abandoned' | 'busy', ofAttempt?: string) {
  const { id } = begun as BegunTransfer;
  const [{ attempt_id }] = await query('SELECT attempt_id FROM transfers WHERE id = $1', [id]);
  const ids = { tenantId: tenant.tenantId, attemptId: ofAttempt ?? attempt_id };
  return endTransfer(database.pool, ids, id, { outcome, talkedSeconds: null });
}
const isBegun = (begun: unknown): begun is BegunTransfer => typeof begun === 'object';

it('a transfer is not ended by another call of the same tenant', async () => {
  const begun = await begin(
    await insertDestination(database.pool, tenant, { kind: 'extension', target: 'desk', ports: 1 }),
  );
  expect(await end(begun, 'abandoned', await call())).toBeNull();
  expect(await query('SELECT outcome FROM transfers')).toEqual([{ outcome: null }]);
  expect(await end(begun, 'connected')).toBe(campaign);
});

describe('the ports of a destination', () => {
  it('are never more than it has, however many calls want one at once', async () => {
    for (const kind of ['extension', 'number'] as const) {
      const target = kind === 'number' ? '+12125550123' : 'desk';
      const destination = await insertDestination(database.pool, tenant, { kind, target, ports: 3 });
      const calls = await Promise.all(Array.from({ length: 8 }, call));
      const begun = await Promise.all(calls.map((id) => begin(destination, id)));
      expect(begun.filter(isBegun)).toHaveLength(3);
      expect(begun.filter((one) => one === 'full')).toHaveLength(5);
      await endCalls();
    }
  });

  it('are free again when a transfer is over, and when the call is, whatever was told', async () => {
    const destination = await insertDestination(database.pool, tenant, {
      kind: 'queue',
      target: 'q',
      ports: 1,
    });
    const first = await begin(destination);
    expect(await begin(destination)).toBe('full');
    expect(await end(first, 'connected')).toBe(campaign);
    expect(await end(first, 'abandoned')).toBeNull();
    expect(isBegun(await begin(destination))).toBe(true);
    expect(await endForgottenTransfers(database.pool)).toBe(0);
    await endCalls();
    expect(isBegun(await begin(destination))).toBe(true);
    expect(await endForgottenTransfers(database.pool)).toBe(1);
    const rows = await query('SELECT outcome FROM transfers ORDER BY id');
    expect(rows.map(({ outcome }) => outcome)).toEqual(['connected', 'full', 'unknown', null]);
  });

  it('are none where the destination is gone', async () => {
    expect(await begin(newId())).toBe('gone');
    const other = await insertTenantFixture(database.pool);
    const destination = await insertDestination(database.pool, other, { kind: 'queue', target: 'q' });
    expect(await begin(destination)).toBe('gone');
  });
});

describe('a transfer to a number', () => {
  const target = '+12125550123';

  it('takes a port of the trunk that the call is on, or of its own', async () => {
    const destination = await insertDestination(database.pool, tenant, { target });
    const attempt = await call();
    await query('UPDATE trunks SET ports = 1');
    expect(await begin(destination, attempt)).toBe('full');
    await query('UPDATE trunks SET ports = 2');
    expect(await begin(destination, attempt)).toMatchObject({
      trunk: { template: 'direct', pbxTrunk: 'far' },
    });
    const own = await insertTrunkFixture(database.pool, tenant, { pbxTrunk: 'own', ports: 1 });
    await query('UPDATE transfer_destinations SET trunk_id = $1', [own.trunkId]);
    expect(await begin(destination, attempt)).toMatchObject({ trunk: { pbxTrunk: 'own' } });
    expect(await begin(destination, attempt)).toBe('full');
    await query('UPDATE trunks SET ports = 9');
    await query(`UPDATE pbx_trunks SET ports = 1 WHERE name = 'own'`);
    expect(await begin(destination, attempt)).toBe('full');
  });

  it('shows what the trunk may show', async () => {
    const destination = await insertDestination(database.pool, tenant, { target });
    const shown = async () => ((await begin(destination)) as BegunTransfer).trunk!.callerId;
    expect(await shown()).toBe('+12125550100');
    const account = (ids: string) =>
      query(
        `INSERT INTO sip_accounts (tenant_id, id, host, transport, srtp, username, sealed_password, register, caller_ids, codecs)
          VALUES ($1, $2, 'h.example', 'udp', false, 'u', '', false, $3, '{ulaw}')
          ON CONFLICT (tenant_id, id) DO UPDATE SET caller_ids = excluded.caller_ids`,
        [tenant.tenantId, tenant.trunkId, ids],
      );
    await account('{+12125550177,+12125550178}');
    expect(await shown()).toBe('+12125550177');
    await account('{+12125550177,+12125550100}');
    expect(await shown()).toBe('+12125550100');
    await query('UPDATE campaigns SET caller_id = NULL');
    expect(await shown()).toBe('+12125550177');
  });
});

describe('abandoned transfers', () => {
  /** Transfers that ended so, some days ago. */
  const insert = (count: number, outcome: string, daysAgo = 1) =>
    query(
      `INSERT INTO transfers (tenant_id, id, attempt_id, campaign_id, destination_id, step, ended_at, outcome)
        SELECT $1, gen_random_uuid(), (SELECT id FROM attempts LIMIT 1), $2, gen_random_uuid(), 's',
          now() - make_interval(days => $3), $4 FROM generate_series(1, $5)`,
      [tenant.tenantId, campaign, daysAgo, outcome, count],
    );
  const pause = () => pauseWhereAbandoned(database.pool, tenant.tenantId, campaign);

  it('pause a campaign that allows fewer, of 50 at least, with a reason that all can read', async () => {
    await query('INSERT INTO event_listeners VALUES ($1, now())', [tenant.tenantId]);
    await call();
    await insert(47, 'connected');
    await insert(2, 'abandoned');
    await query('UPDATE campaigns SET max_abandoned_percent = 3');
    expect(await pause()).toBeNull();
    await insert(1, 'no_answer');
    // Those do not count.
    await insert(9, 'full');
    await insert(9, 'abandoned', 31);
    await insert(9, 'unknown');
    expect(await countTransfers(database.pool, tenant.tenantId, campaign)).toEqual({
      connected: 47,
      abandoned: 3,
    });
    await query('UPDATE campaigns SET max_abandoned_percent = 6');
    expect(await pause()).toBeNull();
    await query('UPDATE campaigns SET max_abandoned_percent = NULL');
    expect(await pause()).toBeNull();
    expect(await statusOf(database.pool, campaign)).toBe('running');
    await query('UPDATE campaigns SET max_abandoned_percent = 3');
    const reason = '3 of its 50 transfers in 30 days were abandoned, more than 3 %';
    expect(await pause()).toBe(reason);
    expect(await pause()).toBeNull();
    const [row] = await query('SELECT status, paused_reason FROM campaigns WHERE id = $1', [campaign]);
    expect(row).toEqual({ status: 'paused', paused_reason: reason });
    const logged = await query('SELECT role, action, object_id, request FROM audit_log');
    expect(logged).toEqual([
      { role: 'campanile', action: 'pause campaign', object_id: campaign, request: { reason } },
    ]);
    const events = await query(`SELECT items FROM event_outbox WHERE type = 'campaign.changed'`);
    expect(events).toEqual([{ items: [{ name: 'campaign', status: 'paused', reason }] }]);
    const { updateCampaignStatus } = await import('../../src/db/campaigns.js');
    await transaction(database.pool, (tx) => updateCampaignStatus(tx, tenant.tenantId, campaign, 'running'));
    expect((await query('SELECT paused_reason FROM campaigns'))[0]).toEqual({ paused_reason: null });
  });
});
