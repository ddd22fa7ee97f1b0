import { describe, expect, it } from 'vitest';
import { whyNotOfTheInternet } from '../../src/api/sip-host.js';
import { asTenant } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import { createPasswordSeal } from '../../src/seal.js';
import { adminToken, type Reply, secret, sortedFieldsOf } from './client.js';
import { createCampaign, everything } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);
const stranger = useTenant(api);

// TEST-NET addresses are nobody's: no name is looked up.
const account = { host: '203.0.113.5', user: 'acme', password: 'open-sesame' };
const good = { name: 'Carrier', ports: 5, sip: account };
const create = (body: object, token = tenant.token) => api.send('POST', '/v1/trunks', { token, body });
const withSip = (sip: object) => create({ ...good, sip: { ...account, ...sip } });
const change = (id: string, body: object, token = tenant.token) =>
  api.send('PATCH', `/v1/trunks/${id}`, { token, body });
const fieldsOf = (reply: Reply) => {
  expect(reply.status).toBe(422);
  return sortedFieldsOf(reply.json);
};
const rowOf = async (id: string) =>
  (await api.db.pool.query('SELECT * FROM sip_accounts WHERE id = $1', [id])).rows[0];

describe('a trunk with a SIP account', () => {
  it('is made by its tenant, on a PBX trunk that is its own', async () => {
    const made = await create(good);
    expect(made.status).toBe(201);
    const { id } = made.json;
    expect(made.json).toMatchObject({
      name: 'Carrier',
      template: 'direct',
      pbx_trunk: `campanile-${id}`,
      registration: [],
      sip: {
        host: '203.0.113.5',
        port: null,
        transport: 'udp',
        srtp: false,
        user: 'acme',
        password_set: true,
        register: true,
        caller_ids: [],
        codecs: ['ulaw', 'alaw'],
        from_user: null,
        from_domain: null,
      },
    });
    const shown = await api.send('GET', `/v1/trunks/${id}`, { token: tenant.token });
    expect(shown.json).toMatchObject(made.json);
    const list = await api.send('GET', '/v1/trunks', { token: tenant.token });
    expect(list.json.data).toContainEqual(made.json);
    const forAnAdmin = { token: adminToken, body: good };
    const byAdmin = await api.send('POST', `/v1/trunks?tenant_id=${tenant.id}`, forAnAdmin);
    expect(byAdmin.json.pbx_trunk).toBe(`campanile-${byAdmin.json.id}`);
  });

  it('keeps its password encrypted, and shows it nowhere', async () => {
    const made = await create(good);
    const changed = await change(made.json.id, { sip: { password: 'another-one' } });
    for (const reply of [made, changed]) expect(reply.bytes.toString()).not.toMatch(/sesame|another-one/);
    const { sealed_password, revision } = await rowOf(made.json.id);
    expect(revision).toBe(2);
    expect(JSON.stringify(await everything(api))).not.toContain('another-one');
    expect(sealed_password.includes('another-one')).toBe(false);
    expect(createPasswordSeal(secret).open(tenant.id, made.json.id, sealed_password)).toBe('another-one');
  });

  it('is changed in what is named; its password stays unless it is named', async () => {
    const { id } = (await create(good)).json;
    const before = await rowOf(id);
    const sip = { host: '203.0.113.6', port: 5080, transport: 'tls', srtp: true, register: false };
    const changed = await change(id, { ports: 7, sip });
    expect(changed.json).toMatchObject({ name: 'Carrier', ports: 7, sip: { ...sip, user: 'acme' } });
    const after = await rowOf(id);
    expect(after).toEqual({ ...before, ...sip, revision: 2 });
  });

  it('refuses what could add a line to pjsip.conf, with the field named and the password not repeated', async () => {
    const { id } = (await create(good)).json;
    const before = await everything(api);
    for (const field of ['host', 'user', 'password', 'from_user', 'from_domain']) {
      for (const value of ['a;b', 'a[b', 'a\nb', 'a=b', 'a\\b', 'a,b', '#include x', 'a b', '']) {
        const reply = await withSip({ [field]: value });
        expect(fieldsOf(reply)).toEqual([`/sip/${field}`]);
        expect(reply.bytes.toString()).not.toContain('include');
        expect(fieldsOf(await change(id, { sip: { [field]: value } }))).toEqual([`/sip/${field}`]);
      }
    }
    expect(await everything(api)).toBe(before);
  });

  it('refuses other values that mean nothing', async () => {
    const wrong = { port: 0, transport: 'ws', codecs: [], caller_ids: ['123'], register: 'yes', other: 1 };
    const wanted = [
      '/sip/caller_ids/0',
      '/sip/codecs',
      '/sip/other',
      '/sip/port',
      '/sip/register',
      '/sip/transport',
    ];
    expect(fieldsOf(await withSip(wrong))).toEqual(wanted);
    expect(fieldsOf(await withSip({ codecs: ['ulaw', 'ulaw'] }))).toEqual(['/sip/codecs']);
    expect(fieldsOf(await withSip({ srtp: true }))).toEqual(['/sip/srtp']);
    const { id } = (await withSip({ transport: 'tls', srtp: true })).json;
    expect(fieldsOf(await change(id, { sip: { transport: 'udp' } }))).toEqual(['/sip/srtp']);
  });

  it('is one thing or the other', async () => {
    const both = { ...good, template: 'direct', pbx_trunk: 'carrier1' };
    expect(fieldsOf(await create(both))).toEqual(['/pbx_trunk', '/template']);
    expect(fieldsOf(await create({ name: 'None', ports: 1 }))).toEqual(['/pbx_trunk', '/template']);
    const { id } = (await create(good)).json;
    expect(fieldsOf(await change(id, { template: 'direct', pbx_trunk: 'x' }))).toEqual([
      '/pbx_trunk',
      '/template',
    ]);
    const path = `/v1/trunks/${tenant.trunkId}?tenant_id=${tenant.id}`;
    const body = { sip: { user: 'me' } };
    expect(fieldsOf(await api.send('PATCH', path, { token: adminToken, body }))).toEqual(['/sip']);
    const named = { name: 'x', ports: 1, template: 'direct', pbx_trunk: `campanile-${id}` };
    const reply = await api.send('POST', `/v1/trunks?tenant_id=${stranger.id}`, {
      token: adminToken,
      body: named,
    });
    expect(fieldsOf(reply)).toEqual(['/pbx_trunk']);
  });
});

describe('hosts of private networks', () => {
  it('are refused, whatever they are called', async () => {
    for (const host of [
      '127.0.0.1',
      '10.1.2.3',
      '192.168.0.1',
      '169.254.169.254',
      '224.0.0.1',
      'pbx.internal',
    ]) {
      expect(fieldsOf(await withSip({ host }))).toEqual(['/sip/host']);
    }
    const { id } = (await create(good)).json;
    expect(fieldsOf(await change(id, { sip: { host: '172.16.0.9' } }))).toEqual(['/sip/host']);
    // In /etc/hosts of every machine, or as RFC 6761 says.
    expect(await whyNotOfTheInternet('x.localhost')).not.toBeNull();
    expect(await whyNotOfTheInternet('203.0.113.5')).toBeNull();
  });
});

describe('caller ids of the account', () => {
  const caller_ids = ['+12125550101', '+12125550102'];
  const campaign = (trunkId: string, caller_id: string | null) =>
    api.send('POST', '/v1/campaigns', {
      token: tenant.token,
      body: { name: 'Call', trunk_ids: [trunkId], message_id: tenant.messageId, caller_id },
    });

  it('are the only ones that a campaign may show', async () => {
    const { id } = (await withSip({ caller_ids })).json;
    expect(fieldsOf(await campaign(id, '+12125550199'))).toEqual(['/caller_id']);
    expect((await campaign(id, '+12125550102')).status).toBe(201);
    expect((await campaign(id, null)).status).toBe(201);
    const free = (await create(good)).json.id;
    expect((await campaign(free, '+12125550199')).status).toBe(201);
  });

  it('stay for as long as a campaign shows them', async () => {
    const { id } = (await withSip({ caller_ids })).json;
    const made = await createCampaign(api, { ...tenant, trunkId: id }, { caller_id: '+12125550102' });
    const narrow = () => change(id, { sip: { caller_ids: ['+12125550101'] } });
    expect(fieldsOf(await narrow())).toEqual(['/sip/caller_ids']);
    await api.send('POST', `/v1/campaigns/${made}/cancel`, { token: tenant.token });
    expect((await narrow()).status).toBe(200);
  });
});

describe('a tenant', () => {
  it('cannot change trunks without an account, or those of another tenant', async () => {
    const before = await everything(api);
    expect((await change(tenant.trunkId, { ports: 9 })).json.code).toBe('forbidden');
    expect(await everything(api)).toBe(before);
    const { id } = (await create(good)).json;
    expect((await change(id, { ports: 9 }, stranger.token)).status).toBe(404);
  });

  it('cannot, by any statement, read a password or make a trunk on what the PBX has', async () => {
    const { id } = (await create(good)).json;
    const own = asTenant(api.db.pool, tenant.id);
    await expect(own.query('SELECT sealed_password FROM sip_accounts')).rejects.toThrow('permission denied');
    const insert = (pbxTrunk: string, template: string) =>
      own.query(
        `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports) VALUES ($1, $2, 'x', $3, $4, 1)`,
        [tenant.id, newId(), template, pbxTrunk],
      );
    await expect(insert('carrier1', 'direct')).rejects.toThrow('row-level security');
    await expect(insert(`campanile-${id}`, 'direct')).rejects.toThrow('row-level security');
    const move = own.query(`UPDATE trunks SET pbx_trunk = 'carrier1' WHERE id = $1`, [id]);
    await expect(move).rejects.toThrow('row-level security');
    const others = await own.query(`UPDATE trunks SET ports = 1000 WHERE id = $1`, [tenant.trunkId]);
    expect(others.rowCount).toBe(0);
  });
});
