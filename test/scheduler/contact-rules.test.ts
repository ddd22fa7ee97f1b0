import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ending } from '../../src/db/finish.js';
import { registerNode } from '../../src/db/nodes.js';
import { noteCalls } from '../../src/db/open-attempts.js';
import { newId } from '../../src/ids.js';
import type { ClaimedCall } from '../../src/scheduler/claim.js';
import {
  contactsOf,
  countersOf,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';

let database: TestDatabase;
let tenant: TenantFixture;
const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };
const [number, second, third] = numbersFor('200', 3) as [string, string, string];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks, pace CASCADE');
  await registerNode(database.pool, node);
  tenant = await insertTenantFixture(database.pool);
});

const query = (text: string, values: unknown[] = []) => database.pool.query(text, values);
const claim = () => claimInTurn(database.pool, node, async () => {});
const claimNumbers = async () => (await claim()).calls.map((call) => call.number);
const campaign = (numbers: readonly string[], retry = {}) =>
  insertCampaignFixture(database.pool, tenant, numbers, { retry });
const end = (calls: readonly ClaimedCall[], how: Partial<Ending> = {}) =>
  finishInTurn(
    database.pool,
    calls.map(({ callId }) => ({ callId, archiveStatus: 'Expired', ...how })),
  );
const cap = (perDay: number | null, per30Days: number | null, who = tenant) =>
  query('UPDATE tenants SET attempts_per_day = $2, attempts_per_30_days = $3 WHERE id = $1', [
    who.tenantId,
    perDay,
    per30Days,
  ]);
const heard = (calls: readonly ClaimedCall[], heardSeconds: number | null) =>
  noteCalls(
    database.pool,
    node.name,
    calls.map(({ callId }) => ({ callId, answeredAt: new Date(), heardSeconds, key: null, hangup: null })),
  );

/** As if so much time had passed. */
async function letPass(time: string): Promise<void> {
  await query(
    `UPDATE attempts SET claimed_at = claimed_at - $1::interval, ended_at = ended_at - $1::interval`,
    [time],
  );
  await query('UPDATE contacts SET due_at = due_at - $1::interval', [time]);
}

/** What keeps the campaign's one contact, and for how many hours from now. */
async function held(campaignId: string): Promise<{ state: string; held_for: string | null; hours: number }> {
  const { rows } = await query(
    `SELECT state, held_for, round(extract(epoch FROM due_at - now()) / 3600)::integer AS hours
      FROM contacts WHERE campaign_id = $1`,
    [campaignId],
  );
  expect(rows).toHaveLength(1);
  return rows[0];
}

async function expectCounters(campaignId: string): Promise<Record<string, number>> {
  const { kept, counted } = await countersOf(database.pool, campaignId);
  expect(kept).toEqual(counted);
  return kept;
}

describe('a frequency cap', () => {
  it('holds a number over all campaigns of the tenant until 24 hours are over, and no other tenant', async () => {
    const other = await insertTenantFixture(database.pool);
    await cap(2, null);
    await cap(2, null, other);
    const first = await campaign([number], { lost: '0s*9' });
    await end((await claim()).calls, { as: 'lost' });
    await end((await claim()).calls, { as: 'lost' });
    const later = await campaign([number]);
    await insertCampaignFixture(database.pool, other, [number]);
    const { calls, wakeInMs } = await claim();
    expect(calls.map((call) => call.tenantId)).toEqual([other.tenantId]);
    expect(wakeInMs).toBe(0);
    expect(await held(first)).toEqual({ state: 'retrying', held_for: 'frequency_cap', hours: 24 });
    expect(await held(later)).toEqual({ state: 'pending', held_for: 'frequency_cap', hours: 24 });
    expect(await expectCounters(first)).toMatchObject({ retrying: 1, attempts: 2 });
    expect(await expectCounters(later)).toMatchObject({ pending: 1, attempts: 0 });
    expect(await claimNumbers()).toEqual([]);
    await letPass('24 hours 1 second');
    await query(`UPDATE contacts SET due_at = now() + interval '1 hour' WHERE campaign_id = $1`, [first]);
    expect(await claimNumbers()).toEqual([number]);
    expect(await held(later)).toMatchObject({ state: 'calling', held_for: null });
  });

  it('of 30 days counts what a day has forgotten, and the later of the two decides', async () => {
    await cap(1, 2);
    const id = await campaign([number], { lost: '0s*9' });
    await end((await claim()).calls, { as: 'lost' });
    await letPass('48 hours');
    await end((await claim()).calls, { as: 'lost' });
    expect(await claimNumbers()).toEqual([]);
    expect(await held(id)).toMatchObject({ held_for: 'frequency_cap', hours: 720 - 48 });
    await letPass('671 hours');
    expect(await claimNumbers()).toEqual([]);
    await letPass('1 hour 1 second');
    expect(await claimNumbers()).toEqual([number]);
  });

  it('is not passed by two campaigns that come to the number in the same turn', async () => {
    await cap(null, 3);
    const ids = [];
    for (let i = 0; i < 5; i += 1) ids.push(await campaign([number, second]));
    const { calls } = await claim();
    expect(calls.map((call) => call.number).toSorted()).toEqual([
      number,
      number,
      number,
      second,
      second,
      second,
    ]);
    expect(await claimNumbers()).toEqual([]);
    const { rows } = await query(
      `SELECT held_for, count(*) FROM contacts WHERE state = 'pending' GROUP BY 1`,
    );
    expect(rows).toEqual([{ held_for: 'frequency_cap', count: 4 }]);
    for (const id of ids) await expectCounters(id);
  });

  it('lets the port go to somebody else', async () => {
    await cap(1, null);
    await query('UPDATE tenants SET ports = 1 WHERE id = $1', [tenant.tenantId]);
    await campaign([number], { lost: '0s*9' });
    await end((await claim()).calls, { as: 'lost' });
    await campaign([second]);
    const claimed = [await claimNumbers(), await claimNumbers()].flat();
    expect(claimed).toEqual([second]);
  });

  it('counts no call that certainly never left, and every other, that is up or was lost', async () => {
    await cap(2, null);
    await campaign([number], { lost: '0s*9', failed: '0s*9' });
    for (const how of [{ as: 'cancelled' }, { archiveStatus: 'Failed' }, { as: 'lost' }] as const) {
      const { calls } = await claim();
      expect(calls).toHaveLength(1);
      await end(calls, how);
      await query(`UPDATE contacts SET state = 'retrying'; UPDATE campaigns SET status = 'running'`);
    }
    expect(await claimNumbers()).toEqual([number]);
    await campaign([number]);
    expect(await claimNumbers()).toEqual([]);
  });

  it('does not keep a contact that is suppressed or lacks consent from ending', async () => {
    await cap(1, null);
    await campaign([number]);
    await claim();
    const id = await campaign([number]);
    await query('UPDATE campaigns SET requires_consent = true WHERE id = $1', [id]);
    await claim();
    expect(await held(id)).toMatchObject({ state: 'no_consent', held_for: null });
  });
});

describe('a call that was answered and silent', () => {
  it('locks the number for all campaigns of the tenant, retries too, and no other tenant', async () => {
    const other = await insertTenantFixture(database.pool);
    const first = await campaign([number]);
    const { calls } = await claim();
    const retrying = await campaign([number]);
    await query(`UPDATE contacts SET state = 'retrying', attempts = 1 WHERE campaign_id = $1`, [retrying]);
    // FastAGI was not there: nothing was noted, and the archive says that somebody answered.
    await end(calls, { archiveStatus: 'Completed' });
    expect((await contactsOf(database.pool, first))[0]?.state).toBe('answered');
    const fresh = await campaign([number]);
    await insertCampaignFixture(database.pool, other, [number]);
    expect((await claim()).calls.map((call) => call.tenantId)).toEqual([other.tenantId]);
    expect(await held(retrying)).toEqual({ state: 'retrying', held_for: 'silent_call', hours: 120 });
    expect(await held(fresh)).toEqual({ state: 'pending', held_for: 'silent_call', hours: 120 });
    await letPass('119 hours');
    expect(await claimNumbers()).toEqual([]);
    await letPass('1 hour 1 second');
    expect(await claimNumbers()).toEqual([number, number]);
  });

  it('is for as long as the tenant has it set, 0 not at all', async () => {
    await query('UPDATE tenants SET silent_call_lockout_hours = 72');
    await campaign([number]);
    await end((await claim()).calls, { archiveStatus: 'Completed' });
    const id = await campaign([number]);
    await claim();
    expect(await held(id)).toMatchObject({ held_for: 'silent_call', hours: 72 });
    await query('UPDATE tenants SET silent_call_lockout_hours = 0');
    await campaign([number]);
    expect(await claimNumbers()).toEqual([number]);
  });

  it.each([
    ['the message could not be played', null, true],
    ['the callee was gone before it began', 0, true],
    ['something was heard', 0.5, false],
  ])('is one where %s', async (_, seconds, locks) => {
    await campaign([number]);
    const { calls } = await claim();
    await heard(calls, seconds);
    await end(calls, { archiveStatus: 'Completed' });
    await campaign([number]);
    expect(await claimNumbers()).toEqual(locks ? [] : [number]);
  });

  it('is none where what was heard is written down late', async () => {
    await campaign([number]);
    const { calls } = await claim();
    await heard(calls, null);
    await end(calls, { archiveStatus: 'Completed' });
    await heard(calls, 3);
    await campaign([number]);
    expect(await claimNumbers()).toEqual([number]);
  });

  it('is none where nobody answered', async () => {
    await campaign([number], { no_answer: '0s*9', unreachable: '0s*9', lost: '0s*9' });
    await end((await claim()).calls, { as: 'lost' });
    await end((await claim()).calls);
    expect(await claimNumbers()).toEqual([number]);
  });
});

describe('a campaign that requires consent', () => {
  it('skips who has given none, counts them, and ends when nobody is left', async () => {
    const id = await campaign([number, second, third]);
    await query(`UPDATE contacts SET consent_basis = 'written' WHERE number = $1`, [second]);
    await query('UPDATE campaigns SET requires_consent = true WHERE id = $1', [id]);
    const { calls, wakeInMs } = await claim();
    expect(calls.map((call) => call.number)).toEqual([second]);
    expect(wakeInMs).toBe(0);
    expect(await expectCounters(id)).toMatchObject({ no_consent: 2, calling: 1, attempts: 1 });
    await end(calls);
    expect((await query('SELECT status FROM campaigns WHERE id = $1', [id])).rows).toEqual([
      { status: 'completed' },
    ]);
  });

  it('may be made one while it runs, for retries as well', async () => {
    const id = await campaign([number], { lost: '0s*9' });
    await end((await claim()).calls, { as: 'lost' });
    await query('UPDATE campaigns SET requires_consent = true WHERE id = $1', [id]);
    expect(await claimNumbers()).toEqual([]);
    expect(await expectCounters(id)).toMatchObject({ no_consent: 1, retrying: 0 });
  });
});

describe('priority', () => {
  const insert = (id: string, rows: readonly [string, number, string, number][]) =>
    Promise.all(
      rows.map(([to, priority, state, minutes]) =>
        query(
          `WITH added AS (INSERT INTO campaign_zones (tenant_id, campaign_id, zones, priority)
              VALUES ($1, $3, '', $5) ON CONFLICT DO NOTHING)
            INSERT INTO contacts (tenant_id, id, campaign_id, number, priority, state, due_at)
            VALUES ($1, $2, $3, $4, $5, $6, now() - make_interval(mins => $7))`,
          [tenant.tenantId, newId(), id, to, priority, state, minutes],
        ),
      ),
    );

  it('comes first, then retries, then who has waited longest', async () => {
    const all = numbersFor('200', 8) as [string, string, string, string, string, string, string, string];
    const id = await campaign([]);
    await insert(id, [
      [all[5], 0, 'retrying', 90],
      [all[3], 5, 'pending', 50],
      [all[1], 9, 'pending', 1],
      [all[4], 5, 'pending', 10],
      [all[0], 9, 'retrying', 1],
      [all[2], 5, 'retrying', 1],
      [all[6], 0, 'pending', 90],
      [all[7], 9, 'pending', -5],
    ]);
    await query('UPDATE campaigns SET ports = 1, retrying = 3, pending = 5 WHERE id = $1', [id]);
    const order: string[] = [];
    for (let i = 0; i < 7; i += 1) {
      const { calls } = await claim();
      order.push(...calls.map((call) => call.number));
      await end(calls);
    }
    expect(order).toEqual(all.slice(0, 7));
  });

  it('takes no more than the ports, however many priorities and zones there are', async () => {
    const id = await campaign([]);
    const all = numbersFor('200', 40);
    await insert(
      id,
      all.map((to, i) => [to, i % 10, 'pending', i] as [string, number, string, number]),
    );
    await query('UPDATE campaigns SET ports = 7 WHERE id = $1', [id]);
    const { calls } = await claim();
    expect(calls).toHaveLength(7);
    const { rows } = await query(
      `SELECT priority, count(*) FROM contacts WHERE state = 'calling' GROUP BY 1 ORDER BY 1`,
    );
    expect(rows).toEqual([
      { priority: 8, count: 3 },
      { priority: 9, count: 4 },
    ]);
  });
});
