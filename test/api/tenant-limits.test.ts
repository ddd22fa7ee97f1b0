import { describe, expect, it, vi } from 'vitest';
import { checkContactLimit } from '../../src/api/contact-limit.js';
import { transaction } from '../../src/db/pool.js';
import { adminToken } from './client.js';
import { createCampaign, createEquipped, type Equipped, numbers } from './fixtures.js';
import { importing } from './importing.js';
import { useApi } from './use.js';

const api = useApi();

const change = (tenant: Equipped, body: object) =>
  api.send('PATCH', `/v1/tenants/${tenant.id}`, { token: adminToken, body });
const add = (tenant: Equipped, campaign: string, list: string[]) =>
  api.send('POST', `/v1/campaigns/${campaign}/contacts`, {
    token: tenant.token,
    body: list.map((number) => ({ number })),
  });
const stored = async ({ id }: Equipped) =>
  (await api.db.pool.query('SELECT FROM contacts WHERE tenant_id = $1', [id])).rowCount;

describe('the contacts of a tenant', () => {
  it('are as many as its max_contacts, over all campaigns; the refusal says both numbers and stores none', async () => {
    const tenant = await createEquipped(api, { max_contacts: 10 });
    const [one, two] = [await createCampaign(api, tenant), await createCampaign(api, tenant)];
    expect((await add(tenant, one, numbers(7))).status).toBe(201);
    const refused = await add(tenant, two, numbers(5));
    expect([refused.status, refused.json.code]).toEqual([409, 'contact_limit']);
    expect(refused.json.detail).toContain('may have 10 contacts and has 7: these 5 would be 2 too many');
    expect(await stored(tenant)).toBe(7);
    expect((await add(tenant, two, numbers(3))).status).toBe(201);
    // Those that are there already are none too many.
    expect((await add(tenant, one, numbers(7))).json).toEqual({ added: 0, duplicates: 7 });
    await change(tenant, { max_contacts: null });
    expect((await add(tenant, two, numbers(5))).status).toBe(201);
  });

  it('are never more when many are added at once, to several campaigns, by imports too', async () => {
    const tenant = await createEquipped(api, { max_contacts: 50, requests_per_minute: null });
    const campaigns = await Promise.all([1, 2, 3, 4].map(() => createCampaign(api, tenant)));
    const adds = campaigns.flatMap((campaign) =>
      [0, 1, 2, 3, 4].map((i) => add(tenant, campaign, numbers(7, 10 * i))),
    );
    const list = importing(api, tenant, await createCampaign(api, tenant));
    const sent = list.send('text/csv', [`number\n${numbers(9, 900).join('\n')}\n`]);
    const replies = await Promise.all([...adds, sent]);
    for (const { status, json } of replies) if (status !== 201) expect(json.code).toBe('contact_limit');
    for (const { id } of await list.jobs()) await list.untilOver(id);
    const count = await stored(tenant);
    expect(count).toBeLessThanOrEqual(50);
    expect(count).toBeGreaterThan(50 - 9);
  });

  it('wait for one another where each would fit alone', async () => {
    const tenant = await createEquipped(api, { max_contacts: 10 });
    const campaigns = [await createCampaign(api, tenant), await createCampaign(api, tenant)];
    let commit = () => {};
    const gate = new Promise<void>((resolve) => {
      commit = resolve;
    });
    const store = (campaign: string, then: Promise<void>, done = () => {}) =>
      transaction(api.db.pool, async (tx) => {
        await tx.query(
          `INSERT INTO contacts (tenant_id, id, campaign_id, number)
            SELECT $1, gen_random_uuid(), $2, '+1212' || (3000000 + i) FROM generate_series(1, 7) i`,
          [tenant.id, campaign],
        );
        await checkContactLimit(tx, tenant.id, 7);
        done();
        await then;
      });
    const first = await new Promise<{ over: Promise<void> }>((resolve) => {
      const over = store(campaigns[0]!, gate, () => resolve({ over }));
    });
    const second = store(campaigns[1]!, Promise.resolve());
    const outcome = second.catch((error: unknown) => error);
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()`;
    await vi.waitFor(async () => expect((await api.db.pool.query(waiting)).rowCount).toBe(1));
    commit();
    await first.over;
    expect(await outcome).toMatchObject({ code: 'contact_limit' });
    expect(await stored(tenant)).toBe(7);
  });

  it('keep an import from being stored when they would be too many, and from being sent when there is no room', async () => {
    const tenant = await createEquipped(api, { max_contacts: 3 });
    const campaign = await createCampaign(api, tenant);
    const job = await importing(api, tenant, campaign).csv(`number\n${numbers(4).join('\n')}\n`);
    expect(job).toMatchObject({ state: 'failed', error_code: 'contact_limit', added: 0 });
    expect(job.error).toContain('may have 3 contacts and has 0: these 4 would be 1 too many');
    expect(await stored(tenant)).toBe(0);
    await add(tenant, campaign, numbers(3));
    const refused = await importing(api, tenant, campaign).send('text/csv', ['number\n+493019999999\n']);
    expect([refused.status, refused.json.code]).toEqual([409, 'contact_limit']);
    expect(await importing(api, tenant, campaign).jobs()).toHaveLength(1);
  });
});

describe("a tenant's time zone", () => {
  const window = { weekdays: ['mon'], hours: ['09:00-17:00'] };

  it('is that of windows that name none, as they are set', async () => {
    const tenant = await createEquipped(api, { time_zone: 'Europe/Rome' });
    const show = async (id: string) =>
      (await api.send('GET', `/v1/campaigns/${id}`, { token: tenant.token })).json.calling_window.zone;
    const id = await createCampaign(api, tenant, { calling_window: window });
    expect(await show(id)).toBe('Europe/Rome');
    await change(tenant, { time_zone: 'Asia/Tokyo' });
    await api.send('PATCH', `/v1/campaigns/${id}`, { token: tenant.token, body: { ports: 3 } });
    expect(await show(id)).toBe('Europe/Rome');
    await api.send('PATCH', `/v1/campaigns/${id}`, {
      token: tenant.token,
      body: { calling_window: window },
    });
    expect(await show(id)).toBe('Asia/Tokyo');
    const own = await createCampaign(api, tenant, { calling_window: { ...window, zone: 'contact' } });
    expect(await show(own)).toBe('contact');
  });

  it('is missed by a window that names none where the tenant has none', async () => {
    const tenant = await createEquipped(api);
    const reply = await api.send('POST', '/v1/campaigns', {
      token: tenant.token,
      body: { name: 'A', trunk_ids: [tenant.trunkId], message_id: tenant.messageId, calling_window: window },
    });
    expect(reply.json.errors).toEqual([
      { field: '/calling_window/zone', message: expect.stringContaining('is required: the tenant has no') },
    ]);
  });

  it('and its contacts are set by an admin and seen by the tenant; what is none is refused', async () => {
    const limits = { time_zone: 'Europe/Rome', max_contacts: 5 };
    const tenant = await createEquipped(api, limits);
    const path = `/v1/tenants/${tenant.id}`;
    expect((await api.send('GET', path, { token: tenant.token })).json).toMatchObject(limits);
    expect((await api.send('PATCH', path, { token: tenant.token, body: limits })).status).toBe(403);
    const refused = await change(tenant, { time_zone: '+01:00', max_contacts: -1 });
    expect(refused.json.errors.map((e: { field: string }) => e.field).sort()).toEqual([
      '/max_contacts',
      '/time_zone',
    ]);
  });
});
