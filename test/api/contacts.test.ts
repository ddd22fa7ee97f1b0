import { beforeEach, describe, expect, it } from 'vitest';
import { countersOf } from '../support/campaigns.js';
import { createCampaign, createEquipped, insertAttempt, numbers } from './fixtures.js';
import { useApi, useNotifications, useTenant } from './use.js';

let id: string;
const api = useApi();
const tenant = useTenant(api, { default_region: 'DE' });
const notifications = useNotifications(api);
beforeEach(async () => {
  id = await createCampaign(api, tenant);
});

const send = (body: unknown, type?: string) =>
  api.send('POST', `/v1/campaigns/${id}/contacts`, { token: tenant.token, body, ...(type ? { type } : {}) });
const list = async (query = '') =>
  (await api.send('GET', `/v1/campaigns/${id}/contacts${query}`, { token: tenant.token })).json;
const stored = async () =>
  (await list('?limit=1000')).data.map(({ number, fields }: { number: string; fields: object }) => ({
    number,
    fields,
  }));
const setStatus = (status: string) =>
  api.db.pool.query('UPDATE campaigns SET status = $2 WHERE id = $1', [id, status]);
async function expectCounters(pending: number): Promise<void> {
  const { kept, counted } = await countersOf(api.db.pool, id);
  expect(kept).toEqual(counted);
  expect(counted.pending).toBe(pending);
}

describe('contacts in JSON', () => {
  it('are stored with their fields, in E.164', async () => {
    const fields = { name: 'Ada', amount: 12.5, vip: true, note: null, '': undefined };
    const reply = await send({
      contacts: [{ number: '030 1100-001', fields }, { number: '+49 30 1100002' }],
    });
    expect(reply.status).toBe(201);
    expect(reply.json).toEqual({ added: 2, duplicates: 0 });
    expect(await stored()).toEqual([
      { number: '+49301100001', fields: { name: 'Ada', amount: 12.5, vip: true, note: null } },
      { number: '+49301100002', fields: {} },
    ]);
    await expectCounters(2);
  });

  it('may come as a plain array', async () => {
    expect((await send([{ number: '+49301100001' }])).json).toEqual({ added: 1, duplicates: 0 });
  });

  it('are stored once, however often and in whatever form they come', async () => {
    await send([{ number: '+49301100001', fields: { first: true } }]);
    const again = [{ number: '0301100001' }, { number: '+49301100002' }, { number: '030/1100002' }];
    expect((await send(again)).json).toEqual({ added: 1, duplicates: 2 });
    expect((await stored())[0].fields).toEqual({ first: true });
    await expectCounters(2);
  });

  it('may be in two campaigns at once', async () => {
    await send([{ number: '+49301100001' }]);
    id = await createCampaign(api, tenant);
    expect((await send([{ number: '+49301100001' }])).json).toEqual({ added: 1, duplicates: 0 });
  });

  it('are called in the order in which they came', async () => {
    await send(['+49301100009', '+49301100003', '+49301100006'].map((number) => ({ number })));
    const { rows } = await api.db.pool.query(
      'SELECT number FROM contacts WHERE campaign_id = $1 ORDER BY due_at, id',
      [id],
    );
    expect(rows.map((row) => row.number)).toEqual(['+49301100009', '+49301100003', '+49301100006']);
  });

  it('are refused with every wrong field named, and nothing is stored', async () => {
    const reply = await send({
      contacts: [
        { number: '+49301100001' },
        { number: '12' },
        { phone: '+49301100003' },
        { number: 49301100004, fields: { ok: 1, bad: {}, worse: ['a'], 'a/b~c': 'x'.repeat(1001) } },
        'a text',
        { number: '+49301100005', fields: { nul: 'a\0b', half: '\ud83d' } },
        { number: '+49301100006', fields: { [`k${'x'.repeat(64)}`]: 1, 'nul\0': 1 } },
        { number: '+49301100007', fields: Object.fromEntries(numbers(65).map((key) => [key, 1])) },
        { number: '+49301100008', fields: [] },
      ],
    });
    expect(reply.status).toBe(422);
    expect(reply.json.errors.map((e: { field: string }) => e.field).sort()).toEqual(
      [
        '/contacts/1/number',
        '/contacts/2/number',
        '/contacts/2/phone',
        '/contacts/3/fields/a~1b~0c',
        '/contacts/3/fields/bad',
        '/contacts/3/fields/worse',
        '/contacts/3/number',
        '/contacts/4',
        '/contacts/5/fields/half',
        '/contacts/5/fields/nul',
        '/contacts/6/fields/nul\0',
        `/contacts/6/fields/k${'x'.repeat(64)}`,
        '/contacts/7/fields',
        '/contacts/8/fields',
      ].sort(),
    );
    expect(reply.json.error_count).toBe(14);
    await expectCounters(0);
  });

  it('names a hundred errors and counts the rest', async () => {
    const reply = await send(numbers(250).map((number, i) => ({ number: i % 2 ? number : 'none' })));
    expect(reply.json.errors).toHaveLength(100);
    expect(reply.json.errors[99].field).toBe('/198/number');
    expect(reply.json.error_count).toBe(125);
    expect(reply.json.detail).toBe('125 fields are wrong; the first 100 are named');
  });

  it('says why a number without a country code cannot be read', async () => {
    const other = await createEquipped(api);
    const campaign = await createCampaign(api, other);
    const body = [{ number: '030 1100001' }];
    const reply = await api.send('POST', `/v1/campaigns/${campaign}/contacts`, { token: other.token, body });
    expect(reply.json.errors[0].message).toContain('has no default_region');
  });

  it.each([
    ['an empty list', []],
    ['an empty list of contacts', { contacts: [] }],
    ['something else', { contact: [] }],
    ['something else beside', { contacts: [{ number: '+49301100001' }], list: 'x' }],
    ['a number', 3],
    ['null', null],
  ])('are refused as %s', async (_, body) => {
    expect((await send(JSON.stringify(body), 'application/json')).json.code).toBe('fields_invalid');
  });
});

describe('contacts for a campaign', () => {
  it.each(['running', 'paused'])('are taken while it is %s', async (status) => {
    await setStatus(status);
    await notifications.take();
    expect((await send([{ number: '+49301100001' }])).status).toBe(201);
    expect(await notifications.take()).toEqual(status === 'running' ? ['campanile_due'] : []);
  });

  it.each(['completed', 'cancelled'])('are refused when it is %s', async (status) => {
    await setStatus(status);
    const reply = await send([{ number: '+49301100001' }]);
    expect(reply.status).toBe(409);
    expect(reply.json).toMatchObject({ code: 'campaign_ended', detail: expect.stringContaining(status) });
    await expectCounters(0);
  });

  it('are listed by number, page by page', async () => {
    await send(
      numbers(5)
        .toReversed()
        .map((number) => ({ number })),
    );
    const seen: string[] = [];
    let after = '';
    do {
      const page = await list(`?limit=2${after}`);
      seen.push(...page.data.map((c: { number: string }) => c.number));
      after = page.next === null ? '' : `&after=${page.next}`;
    } while (after !== '');
    expect(seen).toEqual(numbers(5));
  });

  it('are listed by state', async () => {
    await send(numbers(3).map((number) => ({ number })));
    const { contactId } = await insertAttempt(api, tenant, id);
    const calling = await list('?state=calling');
    expect(calling.data).toEqual([expect.objectContaining({ id: contactId, attempts: 1, due_at: null })]);
    expect((await list('?state=pending')).data).toHaveLength(2);
    const reply = await api.send('GET', `/v1/campaigns/${id}/contacts?state=asleep`, { token: tenant.token });
    expect(reply.json.errors[0].field).toBe('?state');
  });
});
