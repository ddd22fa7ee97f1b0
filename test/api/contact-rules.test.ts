import { beforeEach, describe, expect, it } from 'vitest';
import { registerNode } from '../../src/db/nodes.js';
import { countersOf } from '../support/campaigns.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';
import { adminToken } from './client.js';
import { createCampaign, createEquipped, type Equipped, numbers } from './fixtures.js';
import { importing } from './importing.js';
import { useApi } from './use.js';

const api = useApi();
let tenant: Equipped;
let id: string;
const node = { name: 'node', ports: 100, callsPerSecond: null, templates: ['direct'] };
const [first, second, third] = numbers(3) as [string, string, string];

beforeEach(async () => {
  await api.db.pool.query('TRUNCATE tenants, contacts, nodes CASCADE');
  await registerNode(api.db.pool, node);
  tenant = await createEquipped(api);
  id = await createCampaign(api, tenant);
});

const send = (method: string, path: string, body?: unknown, token = tenant.token) =>
  api.send(method, path, { token, body });
const add = (rows: readonly object[], campaignId = id) =>
  send('POST', `/v1/campaigns/${campaignId}/contacts`, rows);
const csv = (text: string, campaignId = id) =>
  api.send('POST', `/v1/campaigns/${campaignId}/contacts`, {
    token: tenant.token,
    body: text,
    type: 'text/csv',
  });
const start = (campaignId = id) => send('POST', `/v1/campaigns/${campaignId}/start`);
const get = async (what: string) => (await send('GET', `/v1/campaigns/${id}/${what}`)).json;
const stored = async (campaignId = id) =>
  (await send('GET', `/v1/campaigns/${campaignId}/contacts`)).json.data.map(
    ({ number, priority, consent_basis, consent_source, consent_at, fields }: Record<string, unknown>) => ({
      ...{ number, priority, consent_basis, consent_source, consent_at, fields },
    }),
  );
const claim = async () => (await claimInTurn(api.db.pool, node, async () => {})).calls;
const changeTenant = (body: object) => send('PATCH', `/v1/tenants/${tenant.id}`, body, adminToken);

const given = {
  consent_basis: 'written, \\ "quoted"',
  consent_source: 'https://shop.example.com/a\tb\\n',
  consent_at: '2026-11-02T08:30:00.000Z',
};
const none = { consent_basis: null, consent_source: null, consent_at: null };

describe('consent and priority of a contact', () => {
  it('come in JSON, by the contacts and by an import alike', async () => {
    const rows = [
      { number: first, ...given, consent_at: '2026-11-02T09:30:00+01:00', priority: 9 },
      { number: second, consent_basis: 'oral', consent_at: '2026-11-02' },
      { number: third, priority: 0 },
    ];
    const expected = [
      { number: first, ...given, priority: 9, fields: {} },
      {
        number: second,
        ...none,
        consent_basis: 'oral',
        consent_at: '2026-11-02T00:00:00.000Z',
        priority: 5,
        fields: {},
      },
      { number: third, ...none, priority: 0, fields: {} },
    ];
    expect((await add(rows)).status).toBe(201);
    expect(await stored()).toEqual(expected);
    const other = await createCampaign(api, tenant);
    const job = await importing(api, tenant, other).ndjson(
      rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
    );
    expect(job).toMatchObject({ added: 3, rejected: 0 });
    expect(await stored(other)).toEqual(expected);
  });

  it('come in columns of CSV, of which an empty cell says nothing', async () => {
    const text = `number,priority,consent_basis,consent_source,consent_at,name\n${first},7,written,paper,2026-11-02,Ada\n${second},,,,,\n`;
    const expected = [
      {
        ...{ number: first, priority: 7, consent_basis: 'written', consent_source: 'paper' },
        ...{ consent_at: '2026-11-02T00:00:00.000Z', fields: { name: 'Ada' } },
      },
      { number: second, ...none, priority: 5, fields: { name: '' } },
    ];
    expect((await csv(text)).status).toBe(201);
    expect(await stored()).toEqual(expected);
    const other = await createCampaign(api, tenant);
    await importing(api, tenant, other).csv(text);
    expect(await stored(other)).toEqual(expected);
  });

  it.each([
    [{ priority: 10 }, '/0/priority'],
    [{ priority: 1.5 }, '/0/priority'],
    [{ priority: '7' }, '/0/priority'],
    [{ consent_source: 'paper' }, '/0/consent_source'],
    [{ consent_at: '2026-11-02' }, '/0/consent_at'],
    [{ consent_basis: 'written', consent_at: 'yesterday' }, '/0/consent_at'],
    [{ consent_basis: 'written', consent_at: '2999-01-01' }, '/0/consent_at'],
    [{ consent_basis: ' ' }, '/0/consent_basis'],
    [{ consent_basis: 'x'.repeat(101) }, '/0/consent_basis'],
  ])('are refused as %j', async (wrong, field) => {
    const reply = await add([{ number: first, ...wrong }]);
    expect([reply.status, reply.json.errors[0].field]).toEqual([422, field]);
  });

  it('are in exports, which can be uploaded as they are, erased persons left out', async () => {
    await add([{ number: first, ...given, priority: 8, fields: { name: 'Ada' } }, { number: second }]);
    await send('POST', '/v1/erasures', { number: second });
    const exported = await send('GET', `/v1/campaigns/${id}/contacts/export`);
    const text = exported.bytes.toString();
    expect(text).toContain('erased ');
    const other = await createCampaign(api, tenant);
    expect((await csv(text, other)).json).toEqual({ added: 1, duplicates: 0 });
    expect(await stored(other)).toEqual([{ number: first, ...given, priority: 8, fields: { name: 'Ada' } }]);
    const lines = (await send('GET', `/v1/campaigns/${id}/contacts/export?format=ndjson`)).bytes.toString();
    expect(JSON.parse(lines.split('\n')[0]!)).toMatchObject({ ...given, priority: 8, held_for: null });
  });
});

describe('a campaign that requires consent', () => {
  it('says in its preview who has given none, and counts them when it runs', async () => {
    expect(
      (await send('PATCH', `/v1/campaigns/${id}`, { requires_consent: true })).json.requires_consent,
    ).toBe(true);
    await add([{ number: first, consent_basis: 'written' }, { number: second }, { number: third }]);
    expect(await get('preview')).toMatchObject({ will_dial: 1, skipped: { no_consent: 2, suppressed: 0 } });
    await start();
    expect((await claim()).map((call) => call.number)).toEqual([first]);
    expect((await send('GET', `/v1/campaigns/${id}`)).json.contacts).toMatchObject({
      total: 3,
      no_consent: 2,
    });
    expect((await get('report')).totals.contacts).toMatchObject({ total: 3, no_consent: 2, calling: 1 });
    expect((await get('contacts?state=no_consent')).data).toHaveLength(2);
    const copy = (await send('POST', `/v1/campaigns/${id}/copy`, {})).json;
    expect(copy.requires_consent).toBe(true);
  });
});

describe('the rules of a tenant', () => {
  it('are set by an admin, and silent calls lock a number for five days unless he says otherwise', async () => {
    const own = () => send('GET', `/v1/tenants/${tenant.id}`);
    expect((await own()).json).toMatchObject({
      frequency_caps: { per_day: null, per_30_days: null },
      silent_call_lockout_hours: 120,
    });
    expect(
      (await changeTenant({ frequency_caps: { per_30_days: 3 }, silent_call_lockout_hours: 72 })).status,
    ).toBe(200);
    expect((await own()).json).toMatchObject({
      frequency_caps: { per_day: null, per_30_days: 3 },
      silent_call_lockout_hours: 72,
    });
    expect((await send('PATCH', `/v1/tenants/${tenant.id}`, { frequency_caps: {} })).status).toBe(403);
    expect((await changeTenant({ frequency_caps: { per_day: 0 } })).status).toBe(422);
    const made = await send(
      'POST',
      '/v1/tenants',
      { name: 'New', ports: 1, frequency_caps: { per_day: 2 } },
      adminToken,
    );
    expect(made.json.frequency_caps).toEqual({ per_day: 2, per_30_days: null });
  });

  it('are told by preview, why and the contact, and contacts that they held go on when they are lifted', async () => {
    await changeTenant({ frequency_caps: { per_day: 1 } });
    const before = await createCampaign(api, tenant);
    await add([{ number: first }], before);
    await start(before);
    const [call] = await claim();
    expect(call?.number).toBe(first);
    await finishInTurn(api.db.pool, [{ callId: call!.callId, archiveStatus: 'Expired' }]);
    await api.db.pool.query(`UPDATE attempts SET silent = true WHERE id = $1`, [call!.callId.split('.')[1]]);
    await add([{ number: first }, { number: second }]);
    // The lock-out is longer than the cap.
    expect(await get('preview')).toMatchObject({ will_dial: 2, later: { frequency_cap: 0, silent_call: 1 } });
    await changeTenant({ silent_call_lockout_hours: 0 });
    expect(await get('preview')).toMatchObject({ will_dial: 2, later: { frequency_cap: 1, silent_call: 0 } });

    await start();
    await changeTenant({ silent_call_lockout_hours: 72 });
    expect((await claim()).map((c) => c.number)).toEqual([second]);
    const held = async () => (await get('contacts')).data.find((c: { number: string }) => c.number === first);
    expect(await held()).toMatchObject({ state: 'pending', held_for: 'silent_call', attempts: 0 });
    const { due_at } = await held();
    expect((await get('why')).reasons).toEqual([
      {
        code: 'silent_call',
        text: expect.stringContaining(
          `1 contact: the last call to the number was answered and silent; to be called again from ${due_at.slice(0, 19)}`,
        ),
      },
    ]);
    await changeTenant({ silent_call_lockout_hours: 0 });
    expect(await claim()).toEqual([]);
    expect(await held()).toMatchObject({ held_for: 'frequency_cap' });
    expect((await get('why')).reasons.map((reason: { code: string }) => reason.code)).toEqual([
      'frequency_cap',
    ]);
    await changeTenant({ name: 'Changed' });
    expect(await claim()).toEqual([]);
    await changeTenant({ frequency_caps: { per_day: null } });
    expect((await claim()).map((c) => c.number)).toEqual([first]);
    expect(await held()).toMatchObject({ state: 'calling', held_for: null, due_at: null });
    const { kept, counted } = await countersOf(api.db.pool, id);
    expect(kept).toEqual(counted);
  });
});
