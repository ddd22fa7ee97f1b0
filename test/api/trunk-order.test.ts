import { beforeEach, describe, expect, it } from 'vitest';
import { registerNode } from '../../src/db/nodes.js';
import { transaction } from '../../src/db/pool.js';
import { insertAttemptFixtures } from '../support/attempts.js';
import { adminToken, type Reply, sortedFieldsOf } from './client.js';
import {
  addContacts,
  createCampaign,
  createEquipped,
  type Equipped,
  insertAttempt,
  numbers,
  unknownId,
} from './fixtures.js';
import { useApi } from './use.js';

const api = useApi();
let tenant: Equipped;
let second: string;
beforeEach(async () => {
  await api.db.pool.query('DELETE FROM attempts; DELETE FROM nodes');
  tenant = await createEquipped(api);
  second = await createTrunk();
});

const account = { host: '203.0.113.5', user: 'acme', password: 'open-sesame' };
async function createTrunk(more: object = {}): Promise<string> {
  const body = { name: 'Second', ports: 5, sip: account, ...more };
  const made = await api.send('POST', '/v1/trunks', { token: tenant.token, body });
  expect(made.status).toBe(201);
  return made.json.id;
}
const send = (method: string, path: string, body?: object) =>
  api.send(method, path, { token: tenant.token, ...(body ? { body } : {}) });
const change = (id: string, body: object) => send('PATCH', `/v1/campaigns/${id}`, body);
const show = async (id: string) => (await send('GET', `/v1/campaigns/${id}`)).json;
const trunk = async (id: string) => (await send('GET', `/v1/trunks/${id}`)).json;
const remove = (id: string) => send('DELETE', `/v1/trunks/${id}`);
const rest = (id: string) =>
  api.db.pool.query(
    `UPDATE trunks SET resting_since = now(), resting_until = now() + interval '1 minute',
        resting_reason = '23 of its last 30 calls failed (SIP 503)' WHERE id = $1`,
    [id],
  );

describe('the trunks of a campaign', () => {
  it('are kept in their order, changed while it runs, and copied', async () => {
    const id = await createCampaign(api, tenant, { trunk_ids: [second, tenant.trunkId] });
    expect((await show(id)).trunk_ids).toEqual([second, tenant.trunkId]);
    await addContacts(api, tenant, id, numbers(1));
    await send('POST', `/v1/campaigns/${id}/start`);
    expect((await change(id, { trunk_ids: [tenant.trunkId, second] })).json.trunk_ids).toEqual([
      tenant.trunkId,
      second,
    ]);
    expect((await change(id, { weight: 2 })).json.trunk_ids).toEqual([tenant.trunkId, second]);
    const copy = await send('POST', `/v1/campaigns/${id}/copy`, {});
    expect(copy.json.trunk_ids).toEqual([tenant.trunkId, second]);
    const list = await send('GET', '/v1/campaigns');
    expect(list.json.data.map((c: { trunk_ids: string[] }) => c.trunk_ids)).toEqual(
      Array(2).fill([tenant.trunkId, second]),
    );
  });

  it('are refused one by one', async () => {
    const other = await createEquipped(api);
    const body = { name: 'A', message_id: tenant.messageId };
    const fields = async (trunk_ids: unknown) =>
      sortedFieldsOf((await send('POST', '/v1/campaigns', { ...body, trunk_ids })).json);
    expect(await fields([tenant.trunkId, unknownId, other.trunkId])).toEqual([
      '/trunk_ids/1',
      '/trunk_ids/2',
    ]);
    expect(await fields([tenant.trunkId, tenant.trunkId.toUpperCase()])).toEqual(['/trunk_ids']);
    expect(await fields([])).toEqual(['/trunk_ids']);
    expect(await fields('one')).toEqual(['/trunk_ids']);
    const id = await createCampaign(api, tenant);
    expect(sortedFieldsOf((await change(id, { trunk_ids: [unknownId] })).json)).toEqual(['/trunk_ids/0']);
    expect((await show(id)).trunk_ids).toEqual([tenant.trunkId]);
  });

  it('must all be allowed to show its caller id', async () => {
    const narrow = await createTrunk({ name: 'Narrow', sip: { ...account, caller_ids: ['+12125550101'] } });
    const order = { trunk_ids: [tenant.trunkId, narrow] };
    const id = await createCampaign(api, tenant, { caller_id: '+12125550199' });
    const refused = await change(id, order);
    expect(refused.json.errors).toEqual([
      { field: '/caller_id', message: 'is none of the caller ids that the trunk "Narrow" may show' },
    ]);
    expect((await change(id, { ...order, caller_id: '+12125550101' })).status).toBe(200);
  });
});

describe('a trunk', () => {
  it('has a breaker that can be set and taken away', async () => {
    const standard = { failures: 20, share: 0.5, seconds: 60, rest_seconds: 60 };
    expect(await trunk(second)).toMatchObject({ breaker: standard, resting: null });
    const own = { failures: 5, share: 0.9, seconds: 120, rest_seconds: 600 };
    expect(await trunk(await createTrunk({ breaker: own }))).toMatchObject({ breaker: own });
    const set = (breaker: unknown) => send('PATCH', `/v1/trunks/${second}`, { breaker });
    expect((await set(null)).json.breaker).toBeNull();
    expect(sortedFieldsOf((await set({ ...own, share: 1.5, seconds: 29 })).json)).toEqual([
      '/breaker/seconds',
      '/breaker/share',
    ]);
  });

  it('tells that it rests, and is tried at once when it is changed', async () => {
    await rest(second);
    const resting = {
      since: expect.any(String),
      until: expect.any(String),
      reason: '23 of its last 30 calls failed (SIP 503)',
    };
    expect(await trunk(second)).toMatchObject({ resting });
    const before = await trunk(second);
    expect(Date.parse(before.resting.until)).toBeGreaterThan(Date.now());
    const changed = (await send('PATCH', `/v1/trunks/${second}`, { sip: { password: 'right' } })).json;
    expect(changed.resting.since).toBe(before.resting.since);
    expect(Date.parse(changed.resting.until)).toBeLessThan(Date.parse(before.resting.until) - 50_000);
  });

  it('tells in why of its campaigns that it rests', async () => {
    await registerNode(api.db.pool, { name: 'node', ports: 10, callsPerSecond: null });
    const id = await createCampaign(api, tenant, { trunk_ids: [tenant.trunkId, second] });
    await addContacts(api, tenant, id, numbers(1));
    await send('POST', `/v1/campaigns/${id}/start`);
    await rest(tenant.trunkId);
    const { reasons } = (await send('GET', `/v1/campaigns/${id}/why`)).json;
    expect(reasons.map((r: { code: string }) => r.code)).toEqual(['trunk_resting', 'trunk_not_ready']);
    expect(reasons[0].text).toMatch(
      /^the trunk "Carrier" rests since \S+ until \S+: 23 of its last 30 calls failed \(SIP 503\)$/,
    );
    expect(reasons[1].text).toContain('the trunk "Second": no node has taken');
  });

  it('shows ports in use, answer-seizure ratio and its last failures', async () => {
    const id = await createCampaign(api, tenant);
    await addContacts(api, tenant, id, numbers(20));
    await insertAttempt(api, tenant, id);
    const rows = numbers(20)
      .slice(1, 16)
      .map((number, i) => ({
        at: `2026-11-20T10:00:${10 + i}Z`,
        number,
        disposition: i < 12 ? 'unreachable' : i === 12 ? 'failed' : 'answered',
        ...(i < 12 ? { sip: i % 2 ? 401 : 0 } : {}),
      }));
    await insertAttemptFixtures(api.db.pool, { tenantId: tenant.id, trunkId: tenant.trunkId }, id, rows);
    await api.db.pool.query(
      `INSERT INTO trunk_slices SELECT $1, $2, now() - age, 10, answered, 10, 0
        FROM (VALUES (interval '1 minute', 8), (interval '59 minutes', 1), (interval '2 hours', 0), (interval '25 hours', 9))
          AS v(age, answered)`,
      [tenant.id, tenant.trunkId],
    );
    const shown = await trunk(tenant.trunkId);
    expect(shown).toMatchObject({
      ports_in_use: 1,
      last_hour: { seizures: 20, answered: 9, answer_seizure_ratio: 0.45 },
      last_day: { seizures: 30, answered: 9, answer_seizure_ratio: 0.3 },
    });
    expect(shown.last_failures).toHaveLength(10);
    expect(shown.last_failures.slice(0, 3)).toEqual([
      expect.objectContaining({ disposition: 'failed', sip_status: null, cause: null, campaign_id: id }),
      expect.objectContaining({ ended_at: '2026-11-20T10:00:21.000Z', sip_status: 401 }),
      expect.objectContaining({ cause: 'the carrier did not answer: not one SIP response came' }),
    ]);
    expect(JSON.stringify(shown)).not.toContain(numbers(1)[0]!.slice(0, 6));
    expect(await trunk(second)).toMatchObject({
      ports_in_use: 0,
      last_day: { seizures: 0, answered: 0, answer_seizure_ratio: null },
      last_failures: [],
    });
  });
});

describe('deleting a trunk', () => {
  it('is refused, by name, while campaigns that have not ended need it', async () => {
    const id = await createCampaign(api, tenant, { name: 'Matins', trunk_ids: [tenant.trunkId, second] });
    const refused = await remove(second);
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({
      code: 'trunk_in_use',
      detail: expect.stringContaining(`"Matins" (${id})`),
    });
    expect((await show(id)).trunk_ids).toEqual([tenant.trunkId, second]);
    await change(id, { trunk_ids: [tenant.trunkId] });
    expect((await remove(second)).status).toBe(204);
    expect((await send('GET', `/v1/trunks/${second}`)).status).toBe(404);
    expect((await remove(second)).status).toBe(404);
  });

  it('is refused while its calls are under way', async () => {
    const id = await createCampaign(api, { ...tenant, trunkId: second });
    await addContacts(api, tenant, id, numbers(1));
    await insertAttempt(api, { ...tenant, trunkId: second }, id);
    await send('POST', `/v1/campaigns/${id}/cancel`);
    expect((await remove(second)).json.code).toBe('calls_under_way');
    await api.db.pool.query(`UPDATE attempts SET state = 'ended', disposition = 'failed', ended_at = now()`);
    expect((await remove(second)).status).toBe(204);
  });

  it('leaves what has been: campaigns that ended, attempts and reports; a copy needs another trunk', async () => {
    const id = await createCampaign(api, { ...tenant, trunkId: second });
    await addContacts(api, tenant, id, numbers(2));
    await send('POST', `/v1/campaigns/${id}/start`);
    const at = new Date().toISOString();
    const [number] = numbers(1);
    await insertAttemptFixtures(api.db.pool, { tenantId: tenant.id, trunkId: second }, id, [
      { at, number: number!, disposition: 'congestion', sip: 503 },
    ]);
    await send('POST', `/v1/campaigns/${id}/cancel`);
    const report = (await send('GET', `/v1/campaigns/${id}/report`)).json;
    expect((await remove(second)).status).toBe(204);
    expect((await show(id)).trunk_ids).toEqual([]);
    const attempts = await send('GET', `/v1/campaigns/${id}/attempts`);
    expect(attempts.json.data).toMatchObject([{ trunk_id: second, disposition: 'congestion' }]);
    expect((await send('GET', `/v1/campaigns/${id}/report`)).json).toEqual(report);
    expect((await send('GET', `/v1/campaigns/${id}/why`)).json.reasons[0].code).toBe('ended');
    expect((await send('GET', `/v1/campaigns/${id}/preview`)).status).toBe(200);
    const copy = (await send('POST', `/v1/campaigns/${id}/copy`, {})).json;
    expect(copy.trunk_ids).toEqual([]);
    await addContacts(api, tenant, copy.id, numbers(1));
    const start = () => send('POST', `/v1/campaigns/${copy.id}/start`);
    expect((await start()).json.code).toBe('campaign_without_trunk');
    await change(copy.id, { trunk_ids: [tenant.trunkId] });
    expect((await start()).status).toBe(200);
  });

  it('takes its SIP account, its counts and its PBX trunk along', async () => {
    await api.db.pool.query('INSERT INTO trunk_slices VALUES ($1, $2, now(), 1, 1, 1, 1)', [
      tenant.id,
      second,
    ]);
    await remove(second);
    for (const table of ['sip_accounts', 'trunk_slices', 'pbx_trunks']) {
      const { rows } = await api.db.pool.query(`SELECT FROM ${table} t WHERE t::text LIKE '%' || $1 || '%'`, [
        second,
      ]);
      expect(rows).toEqual([]);
    }
  });

  it("is the admin's where the trunk names what he configured", async () => {
    expect((await remove(tenant.trunkId)).json.code).toBe('forbidden');
    const path = `/v1/trunks/${tenant.trunkId}?tenant_id=${tenant.id}`;
    expect((await api.send('DELETE', path, { token: adminToken })).status).toBe(204);
    const { rows } = await api.db.pool.query(`SELECT FROM pbx_trunks WHERE name = 'carrier1'`);
    expect(rows).toHaveLength(1);
  });

  it('that comes between the check and the end of a change is told as a trunk that is none', async () => {
    const id = await createCampaign(api, tenant);
    let changed: Promise<Reply> | undefined;
    await transaction(api.db.pool, async (tx) => {
      await tx.query('DELETE FROM trunks WHERE id = $1', [second]);
      changed = change(id, { trunk_ids: [tenant.trunkId, second] });
      const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await expect.poll(async () => (await api.db.pool.query(waits)).rowCount).toBe(1);
    });
    expect((await changed)!.json.errors).toEqual([
      { field: '/trunk_ids', message: 'names a trunk that has just been deleted' },
    ]);
  });
});
