import { expect, it } from 'vitest';
import { issueToken } from '../../src/api/token.js';
import { adminToken, secret } from './client.js';
import { createCampaign, numbers } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);
const other = useTenant(api);

const entries = async (token = tenant.token, path = '/v1/audit') =>
  (await api.send('GET', `${path}?limit=1000`, { token })).json.data;
const newest = async (token?: string, path?: string) => (await entries(token, path)).at(-1);

it('has every change with who made it, by token, key or admin', async () => {
  const id = await createCampaign(api, tenant, { name: 'Audited' });
  expect(await newest()).toEqual({
    id: expect.any(String),
    tenant_id: tenant.id,
    at: expect.any(String),
    role: 'tenant',
    subject: null,
    key_id: null,
    action: 'post /v1/campaigns',
    object_id: id,
    request: expect.objectContaining({ name: 'Audited', weight: 1 }),
  });
  const named = issueToken(secret, { tenantId: tenant.id, subject: 'ada@example.com' }, 60);
  await api.send('PATCH', `/v1/campaigns/${id}`, { token: named, body: { ports: 3 } });
  expect(await newest()).toMatchObject({
    subject: 'ada@example.com',
    action: 'patch /v1/campaigns/{id}',
    object_id: id,
    request: { ports: 3 },
  });
  const made = await api.send('POST', '/v1/api-keys', {
    token: tenant.token,
    body: { name: 'CRM', role: 'tenant' },
  });
  await api.send('POST', `/v1/campaigns/${id}/contacts`, {
    token: made.json.key,
    body: [{ number: numbers(1)[0] }],
  });
  expect(await newest()).toMatchObject({
    key_id: made.json.id,
    action: 'post /v1/campaigns/{id}/contacts',
    request: { type: 'application/json', bytes: expect.any(Number) },
  });
  await api.send('PATCH', `/v1/tenants/${tenant.id}`, { token: adminToken, body: { ports: 7 } });
  expect(await newest()).toMatchObject({
    role: 'admin',
    action: 'patch /v1/tenants/{id}',
    request: { ports: 7 },
  });
});

it('has nothing of what was refused or only read, and nothing of another tenant', async () => {
  const before = await entries();
  await api.send('GET', '/v1/campaigns', { token: tenant.token });
  await api.send('POST', '/v1/campaigns', { token: tenant.token, body: {} });
  await createCampaign(api, other);
  expect(await entries()).toEqual(before);
  for (const entry of await entries(other.token)) expect(entry.tenant_id).toBe(other.id);
});

it('has no secret in it', async () => {
  const sip = {
    host: 'sip.example.com',
    transport: 'udp',
    user: 'a',
    password: 'hunter2hunter2',
    register: false,
  };
  await api.send('POST', '/v1/trunks', {
    token: tenant.token,
    body: { name: 'ours', ports: 5, sip: { ...sip, caller_ids: [], codecs: ['ulaw'] } },
  });
  expect((await newest()).request.sip).toMatchObject({ host: 'sip.example.com', password: '...' });
  const { rows } = await api.db.pool.query('SELECT * FROM audit_log');
  expect(JSON.stringify(rows)).not.toMatch(/hunter2|cmp_/);
});

it('of the installation is the admin’s', async () => {
  const body = { ports: 9, calls_per_second: null };
  await api.send('PUT', '/v1/pbx-trunks/audited', { token: adminToken, body });
  expect(await newest(adminToken, '/v1/installation-audit')).toMatchObject({
    tenant_id: null,
    role: 'admin',
    action: 'put /v1/pbx-trunks/{name}',
    object_id: 'audited',
    request: body,
  });
});
