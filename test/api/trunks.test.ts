import { beforeAll, describe, expect, it } from 'vitest';
import { adminToken, sortedFieldsOf } from './client.js';
import { createTenant, type TenantOnApi } from './fixtures.js';
import { useApi } from './use.js';

let tenant: TenantOnApi;
const api = useApi({ hasTemplate: (name) => ['direct', 'routed'].includes(name) });
beforeAll(async () => {
  tenant = await createTenant(api);
});

const good = { name: 'Carrier', template: 'direct', pbx_trunk: 'carrier1', ports: 5, calls_per_second: 0.5 };
const create = (body: object) =>
  api.send('POST', `/v1/trunks?tenant_id=${tenant.id}`, { token: adminToken, body });
const change = (id: string, body: object) =>
  api.send('PATCH', `/v1/trunks/${id}?tenant_id=${tenant.id}`, { token: adminToken, body });
const pbxTrunks = async () => (await api.send('GET', '/v1/pbx-trunks', { token: adminToken })).json.data;

describe('trunks', () => {
  it('are created by an admin, with the PBX trunk, and shown to their tenant', async () => {
    const made = await create({ ...good, pbx_trunk: 'new-one' });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({ ...good, pbx_trunk: 'new-one' });
    expect(await pbxTrunks()).toContainEqual({ name: 'new-one', ports: null, calls_per_second: null });
    const shown = await api.send('GET', `/v1/trunks/${made.json.id}`, { token: tenant.token });
    expect(shown.json).toMatchObject(made.json);
    const list = await api.send('GET', '/v1/trunks', { token: tenant.token });
    expect(list.json.data).toContainEqual(made.json);
  });

  it('leave the limits of a PBX trunk that is there already', async () => {
    const limits = { ports: 30, calls_per_second: 4 };
    await api.send('PUT', '/v1/pbx-trunks/shared', { token: adminToken, body: limits });
    expect((await create({ ...good, pbx_trunk: 'shared' })).status).toBe(201);
    expect(await pbxTrunks()).toContainEqual({ name: 'shared', ...limits });
  });

  it('are changed in what is named, and only there', async () => {
    const { id } = (await create(good)).json;
    const changed = await change(id, { ports: 0, calls_per_second: null });
    expect(changed.json).toMatchObject({ ...good, ports: 0, calls_per_second: null });
    const moved = await change(id, { template: 'routed', pbx_trunk: 'elsewhere', name: 'Other' });
    expect(moved.json).toMatchObject({ name: 'Other', template: 'routed', pbx_trunk: 'elsewhere', ports: 0 });
    expect(await pbxTrunks()).toContainEqual(expect.objectContaining({ name: 'elsewhere' }));
  });

  it('are refused with every wrong field named', async () => {
    const wrong = {
      name: '',
      template: '../etc',
      pbx_trunk: 'a/b',
      ports: 1.5,
      calls_per_second: -1,
      secret: 'x',
    };
    const wanted = ['/calls_per_second', '/name', '/pbx_trunk', '/ports', '/secret', '/template'];
    expect(sortedFieldsOf((await create(wrong)).json)).toEqual(wanted);
    const { id } = (await create(good)).json;
    expect(sortedFieldsOf((await change(id, wrong)).json)).toEqual(wanted);
  });

  it('are refused with a template that does not exist', async () => {
    const { id } = (await create(good)).json;
    for (const reply of [await create({ ...good, template: 'odd' }), await change(id, { template: 'odd' })]) {
      expect(reply.status).toBe(422);
      expect(sortedFieldsOf(reply.json)).toEqual(['/template']);
    }
  });

  it('come in pages', async () => {
    const first = await api.send('GET', '/v1/trunks?limit=1', { token: tenant.token });
    const path = `/v1/trunks?limit=1&after=${first.json.next}`;
    const second = await api.send('GET', path, { token: tenant.token });
    expect(second.json.data[0].id > first.json.data[0].id).toBe(true);
  });
});

describe('PBX trunks', () => {
  it('are set, and set again', async () => {
    const put = (body: object) => api.send('PUT', '/v1/pbx-trunks/Main_2', { token: adminToken, body });
    expect((await put({ ports: 2, calls_per_second: 1.5 })).json).toEqual({
      name: 'Main_2',
      ports: 2,
      calls_per_second: 1.5,
    });
    expect((await put({ ports: null, calls_per_second: null })).json.ports).toBeNull();
  });

  it('come in pages by name', async () => {
    for (const name of ['a', 'b', 'c']) {
      const body = { ports: 1, calls_per_second: null };
      await api.send('PUT', `/v1/pbx-trunks/${name}`, { token: adminToken, body });
    }
    const page = await api.send('GET', '/v1/pbx-trunks?limit=2&after=a', { token: adminToken });
    expect(page.json.data.map((t: { name: string }) => t.name)).toEqual(['b', 'c']);
    expect(page.json.next).toBe('c');
  });

  it('are refused with every wrong field named', async () => {
    const body = { ports: '3', calls_per_second: 0, other: 1 };
    const reply = await api.send('PUT', '/v1/pbx-trunks/a%20b', { token: adminToken, body });
    expect(reply.status).toBe(422);
    expect(sortedFieldsOf(reply.json)).toEqual(['/calls_per_second', '/other', '/ports', '{name}']);
  });
});
