import { beforeEach, describe, expect, it } from 'vitest';
import { registerNode, touchNode } from '../../src/db/nodes.js';
import { adminToken } from './client.js';
import {
  addContacts,
  createCampaign,
  createEquipped,
  type Equipped,
  insertAttempt,
  numbers,
  suppressedNumber,
} from './fixtures.js';
import { useApi } from './use.js';

let tenant: Equipped;
let id: string;

const api = useApi();
beforeEach(async () => {
  await api.db.pool.query('DELETE FROM attempts; DELETE FROM nodes');
  tenant = await createEquipped(api);
  id = await createCampaign(api, tenant);
});

const get = async (what: string) =>
  (await api.send('GET', `/v1/campaigns/${id}/${what}`, { token: tenant.token })).json;
const start = () => api.send('POST', `/v1/campaigns/${id}/start`, { token: tenant.token });
const change = (body: object) => api.send('PATCH', `/v1/campaigns/${id}`, { token: tenant.token, body });
const startNode = () => registerNode(api.db.pool, { name: 'node', ports: 10, callsPerSecond: null });
const codes = async () => (await get('why')).reasons.map((reason: { code: string }) => reason.code);

describe('why', () => {
  it('follows a campaign from its draft to its calls', async () => {
    expect(await codes()).toEqual(['not_started']);
    await addContacts(api, tenant, id, numbers(6));
    await start();
    expect(await get('why')).toEqual({
      test: false,
      dialling: false,
      reasons: [{ code: 'no_node', text: expect.stringContaining('never been a node') }],
    });
    await startNode();
    expect(await codes()).toEqual([]);
    await api.db.pool.query("UPDATE nodes SET seen_at = now() - interval '40 s'");
    expect((await get('why')).reasons[0].text).toMatch(/for 4\d s/);
    await startNode();
    for (let i = 0; i < 5; i += 1) await insertAttempt(api, tenant, id);
    // The trunk of the fixture has five ports.
    expect(await get('why')).toEqual({
      test: false,
      dialling: true,
      reasons: [{ code: 'trunk_ports', text: 'all 5 ports of the trunk are in use' }],
    });
    await api.send('PUT', '/v1/pbx-trunks/carrier1', {
      token: adminToken,
      body: { ports: 2, calls_per_second: 7 },
    });
    await change({ ports: 3, calls_per_second: 9 });
    expect(await codes()).toEqual(['campaign_ports', 'trunk_ports', 'pbx_trunk_ports', 'calls_per_second']);
    expect((await get('why')).reasons.at(-1).text).toContain('7 calls a second');
    await api.send('PUT', '/v1/pbx-trunks/carrier1', {
      token: adminToken,
      body: { ports: null, calls_per_second: null },
    });
  });

  it('tells of a PBX that takes no calls, until it takes them or its node is gone', async () => {
    await startNode();
    await addContacts(api, tenant, id, numbers(1));
    await start();
    await touchNode(api.db.pool, 'node', { files: 3, since: new Date('2026-11-21T10:00:00Z') });
    const [reason, ...others] = (await get('why')).reasons;
    expect(others).toEqual([]);
    expect(reason.code).toBe('pbx_takes_no_calls');
    expect(reason.text).toContain('3 calls that it should have since 2026-11-21T10:00:00Z');
    await touchNode(api.db.pool, 'node', null);
    expect(await codes()).toEqual([]);
    await touchNode(api.db.pool, 'node', { files: 3, since: new Date() });
    await api.db.pool.query("UPDATE nodes SET seen_at = now() - interval '40 s'");
    expect(await codes()).toEqual(['no_node']);
    await startNode();
    expect(await codes()).toEqual([]);
  });

  it('tells of a SIP account that no node has, and of a caller id that it may not show', async () => {
    await startNode();
    const sip = { host: 'sip.example.com', transport: 'udp', user: 'a', password: 'secret', register: false };
    const trunk = await api.send('POST', '/v1/trunks', {
      token: tenant.token,
      body: { name: 'ours', ports: 5, sip: { ...sip, caller_ids: ['+14155550123'], codecs: ['ulaw'] } },
    });
    await addContacts(api, tenant, id, numbers(1));
    await start();
    expect((await change({ trunk_ids: [trunk.json.id], caller_id: '+14155550123' })).status).toBe(200);
    const reason = async () => (await get('why')).reasons;
    expect(await reason()).toEqual([
      { code: 'trunk_not_ready', text: expect.stringContaining('no node has taken') },
    ]);
    const { pool } = api.db;
    const tell = (revision: number | null, problem: string | null) =>
      pool.query(
        `INSERT INTO sip_account_nodes (tenant_id, id, node, revision, problem, checked_at)
          VALUES ($1, $2, 'node', $3, $4, now())
          ON CONFLICT (tenant_id, id, node) DO UPDATE SET revision = $3, problem = $4`,
        [tenant.id, trunk.json.id, revision, problem],
      );
    await tell(null, 'the PBX has no transport for udp');
    expect(await reason()).toEqual([{ code: 'trunk_not_ready', text: 'the PBX has no transport for udp' }]);
    await tell(1, null);
    expect(await reason()).toEqual([]);
    await pool.query("UPDATE sip_accounts SET caller_ids = '{+14155550199}' WHERE id = $1", [trunk.json.id]);
    expect((await reason())[0].text).toContain('none of those that the trunk may show');
  });

  it('tells of windows and retries', async () => {
    await startNode();
    await addContacts(api, tenant, id, ['+12125550486', '+881612345678', '+493012345678']);
    await start();
    await change({
      calling_window: { weekdays: ['mon'], hours: ['09:00-09:01'], zone: 'contact' },
    });
    expect(await codes()).toEqual(['zone_unknown', 'outside_window', 'outside_window']);
    await change({ calling_window: null });
    await api.db.pool.query(
      "UPDATE contacts SET state = 'retrying', due_at = now() + interval '1 hour' WHERE campaign_id = $1",
      [id],
    );
    expect((await get('why')).reasons).toEqual([
      { code: 'waiting_for_retry', text: expect.stringContaining('3 contacts, all that are left, wait') },
    ]);
  });
});

describe('the preview', () => {
  it('counts who will be called and who skipped, and when it will be through', async () => {
    await startNode();
    const onList = numbers(1, 950);
    await api.send('POST', '/v1/installation-suppressions', { token: adminToken, body: onList });
    await addContacts(api, tenant, id, [...numbers(10), suppressedNumber, ...onList, '+881612345678']);
    expect(await get('preview')).toEqual({
      test: false,
      will_dial: 11,
      missing_fields: [],
      skipped: { suppressed: 2, no_consent: 0, unspeakable: 0, zone_unknown: 0, never_open: 0 },
      later: { frequency_cap: 0, silent_call: 0 },
      speech: null,
      estimate: {
        ends_at: expect.any(String),
        expired: 0,
        ports: 5,
        calls_per_second: 5 / 15.5,
        seconds_per_call: 15.5,
      },
    });
    const { ends_at } = (await get('preview')).estimate;
    const seconds = (Date.parse(ends_at) - Date.now()) / 1000;
    expect(seconds).toBeGreaterThan(11 * (15.5 / 5) - 5);
    expect(seconds).toBeLessThan(11 * (15.5 / 5) + 5);

    await change({ calling_window: { weekdays: ['mon'], hours: ['09:00-10:00'], zone: 'contact' } });
    expect(await get('preview')).toMatchObject({
      will_dial: 10,
      skipped: { suppressed: 2, zone_unknown: 1 },
    });
    await change({ calling_window: null, end_at: new Date(Date.now() + 15_500).toISOString() });
    const short = await get('preview');
    expect(short.will_dial + short.estimate.expired).toBe(11);
    expect(short.will_dial).toBeGreaterThanOrEqual(4);
    expect(short.will_dial).toBeLessThanOrEqual(5);
  });

  it('says never without a node', async () => {
    await addContacts(api, tenant, id, numbers(1));
    expect((await get('preview')).estimate).toMatchObject({
      ends_at: null,
      ports: null,
      calls_per_second: 0,
    });
  });
});
