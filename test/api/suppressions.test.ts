import { beforeAll, describe, expect, it } from 'vitest';
import { adminToken } from './client.js';
import {
  addContacts,
  createCampaign,
  createEquipped,
  type Equipped,
  numbers,
  unknownId,
} from './fixtures.js';
import { useApi } from './use.js';

let tenant: Equipped;

const api = useApi();

const send = (method: string, path: string, body?: unknown, type?: string) =>
  api.send(method, path, { token: tenant.token, body, ...(type ? { type } : {}) });
const today = () => new Date().toISOString().slice(0, 10);
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);

async function createList(body: object = { name: 'Register' }): Promise<string> {
  return (await send('POST', '/v1/suppression-lists', body)).json.id;
}

describe('a suppression list', () => {
  beforeAll(async () => {
    tenant = await createEquipped(api, { default_region: 'DE' });
  });

  it('is of today unless it says another day, and can be renamed and renewed', async () => {
    const made = await send('POST', '/v1/suppression-lists', { name: 'Register' });
    expect(made.json).toMatchObject({ name: 'Register', as_of: today(), numbers: 0 });
    const path = `/v1/suppression-lists/${made.json.id}`;
    expect((await send('PATCH', path, { as_of: '2026-02-28' })).json).toMatchObject({ as_of: '2026-02-28' });
    expect((await send('PATCH', path, { name: 'National' })).json).toMatchObject({
      as_of: '2026-02-28',
      name: 'National',
    });
    expect((await send('GET', path)).json.name).toBe('National');
    expect((await send('GET', '/v1/suppression-lists')).json.data).toContainEqual(
      expect.objectContaining({ id: made.json.id }),
    );
    expect((await send('PATCH', path, { as_of: '2026-02-30' })).json.errors).toEqual([
      { field: '/as_of', message: expect.any(String) },
    ]);
  });

  it.each([
    ['an array', ['+493012345678', '030 12345678', '+4930123456789'], undefined],
    ['an object', { numbers: ['+493012345678', '030 12345678', '+4930123456789'] }, undefined],
    ['CSV', 'name;number\nAda;+493012345678\nAda;030 12345678\n"B;";+4930123456789\n', 'text/csv'],
  ])('takes numbers as %s, national ones too, each once', async (_, body, type) => {
    const id = await createList();
    const path = `/v1/suppression-lists/${id}/numbers`;
    expect((await send('POST', path, body, type)).json).toEqual({ added: 2, duplicates: 1 });
    expect((await send('POST', path, body, type)).json).toEqual({ added: 0, duplicates: 3 });
    expect((await send('GET', `/v1/suppression-lists/${id}`)).json.numbers).toBe(2);
    const page = (await send('GET', `${path}?limit=1`)).json;
    expect(page.data.map((n: { number: string }) => n.number)).toEqual(['+493012345678']);
    const after = encodeURIComponent(page.next);
    const next = (await send('GET', `${path}?after=${after}`)).json;
    expect(next).toMatchObject({ data: [{ number: '+4930123456789' }], next: null });
  });

  it.each([
    ['a number that is none', ['+493012345678', '12'], '/1/number'],
    ['no text', [12], '/0/number'],
    ['nothing', [], '/'],
    ['another object', { list: [] }, '/'],
  ])('takes none when there is %s', async (_, body, field) => {
    const id = await createList();
    const reply = await send('POST', `/v1/suppression-lists/${id}/numbers`, body);
    expect(reply.status).toBe(422);
    expect(reply.json.errors[0].field).toBe(field);
    expect((await send('GET', `/v1/suppression-lists/${id}`)).json.numbers).toBe(0);
  });

  it('gives up a number, or all with itself', async () => {
    const id = await createList();
    const path = `/v1/suppression-lists/${id}`;
    await send('POST', `${path}/numbers`, numbers(2));
    const remove = (number: string) => send('DELETE', `${path}/numbers?number=${encodeURIComponent(number)}`);
    expect((await remove(numbers(1)[0]!)).status).toBe(204);
    expect((await remove(numbers(1)[0]!)).status).toBe(404);
    expect((await remove('12')).json.errors[0].field).toBe('?number');
    expect((await send('GET', path)).json.numbers).toBe(1);
    expect((await send('DELETE', path)).status).toBe(204);
    expect((await send('GET', path)).status).toBe(404);
    const { rows } = await api.db.pool.query('SELECT FROM suppressed_numbers WHERE list_id = $1', [id]);
    expect(rows).toEqual([]);
  });

  it('that is unknown takes and shows nothing', async () => {
    const path = `/v1/suppression-lists/${unknownId}/numbers`;
    expect((await send('POST', path, numbers(1))).status).toBe(404);
    expect((await send('GET', path)).status).toBe(404);
  });
});

it('the list of the installation is the admin’s', async () => {
  const path = '/v1/installation-suppressions';
  const [one, two] = numbers(2, 900);
  const reply = await api.send('POST', path, { token: adminToken, body: [two, one, one] });
  expect(reply.json).toEqual({ added: 2, duplicates: 1 });
  const shown = await api.send('GET', `${path}?limit=1`, { token: adminToken });
  expect(shown.json).toMatchObject({ data: [{ number: one }], next: one });
  const remove = () =>
    api.send('DELETE', `${path}?number=${encodeURIComponent(one!)}`, { token: adminToken });
  expect([(await remove()).status, (await remove()).status]).toEqual([204, 404]);
  const national = await api.send('POST', path, { token: adminToken, body: ['030 12345678'] });
  expect(national.status).toBe(422);
});

describe('a campaign that demands lists of the last 31 days', () => {
  const ready = async (tenant: Equipped) => {
    const id = await createCampaign(api, tenant, { suppression_max_age_days: 31 });
    await addContacts(api, tenant, id, numbers(1));
    return id;
  };

  it('starts and goes on with lists that are no older, and with none does not', async () => {
    tenant = await createEquipped(api);
    const id = await ready(tenant);
    const list = `/v1/suppression-lists/${tenant.listId}`;
    await send('PATCH', list, { as_of: daysAgo(33) });
    const refused = await send('POST', `/v1/campaigns/${id}/start`);
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({
      code: 'suppression_lists_old',
      detail: expect.stringContaining('"No more"'),
    });
    expect((await send('GET', `/v1/campaigns/${id}`)).json.status).toBe('draft');
    await send('PATCH', list, { as_of: daysAgo(30) });
    expect((await send('POST', `/v1/campaigns/${id}/start`)).status).toBe(200);
    await send('POST', `/v1/campaigns/${id}/pause`);
    await createList({ name: 'Old', as_of: daysAgo(33) });
    expect((await send('POST', `/v1/campaigns/${id}/resume`)).json).toMatchObject({
      code: 'suppression_lists_old',
      detail: expect.stringMatching(/"Old";/),
    });
  });

  it('does not start without any list', async () => {
    tenant = await createEquipped(api);
    const id = await ready(tenant);
    await api.db.pool.query('DELETE FROM suppression_lists WHERE tenant_id = $1', [tenant.id]);
    expect((await send('POST', `/v1/campaigns/${id}/start`)).json).toMatchObject({
      code: 'suppression_lists_old',
      detail: expect.stringContaining('there is none'),
    });
  });
});
