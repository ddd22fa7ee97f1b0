import { describe, expect, it } from 'vitest';
import { deleteTenant } from '../../src/db/delete-tenant.js';
import { adminToken, sortedFieldsOf } from './client.js';
import { addContacts, createCampaign, createEquipped, createTenant, numbers, unknownId } from './fixtures.js';
import { useApi } from './use.js';

const api = useApi();

describe('tenants', () => {
  it('are created and shown', async () => {
    const body = { name: 'Parish', ports: 10, calls_per_second: 2.5, default_region: 'IT' };
    const made = await api.send('POST', '/v1/tenants', { token: adminToken, body });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject(body);
    expect(made.headers.get('Location')).toBe(`/v1/tenants/${made.json.id}`);
    const shown = await api.send('GET', `/v1/tenants/${made.json.id}`, { token: adminToken });
    expect(shown.json).toEqual(made.json);
  });

  it('may send 600 requests a minute unless something else is given', async () => {
    const send = (body: object) =>
      api.send('POST', '/v1/tenants', { token: adminToken, body: { name: 'A', ports: 0, ...body } });
    expect((await send({})).json.requests_per_minute).toBe(600);
    expect((await send({ requests_per_minute: 5 })).json.requests_per_minute).toBe(5);
    expect((await send({ requests_per_minute: null })).json.requests_per_minute).toBeNull();
    for (const requests_per_minute of [0, 1.5, -1, '5', 1_000_001]) {
      expect(sortedFieldsOf((await send({ requests_per_minute })).json)).toEqual(['/requests_per_minute']);
    }
  });

  it('have neither a rate nor a region unless these are given', async () => {
    const made = await api.send('POST', '/v1/tenants', { token: adminToken, body: { name: 'A', ports: 0 } });
    expect(made.json).toMatchObject({ calls_per_second: null, default_region: null });
  });

  it('are changed in what is named, and only there', async () => {
    const { id } = await createTenant(api, { calls_per_second: 2, default_region: 'DE' });
    const patch = (body: object) => api.send('PATCH', `/v1/tenants/${id}`, { token: adminToken, body });
    const first = await patch({ ports: 3, calls_per_second: null });
    expect(first.json).toMatchObject({
      name: 'Parish',
      ports: 3,
      calls_per_second: null,
      default_region: 'DE',
    });
    const second = await patch({ name: 'Abbey', default_region: null });
    expect(second.json).toMatchObject({
      name: 'Abbey',
      ports: 3,
      calls_per_second: null,
      default_region: null,
    });
    expect((await patch({})).json).toEqual(second.json);
  });

  it('see themselves, and no other', async () => {
    const own = await createTenant(api);
    const other = await createTenant(api);
    expect((await api.send('GET', `/v1/tenants/${own.id}`, { token: own.token })).json.id).toBe(own.id);
    expect((await api.send('GET', `/v1/tenants/${own.id.toUpperCase()}`, { token: own.token })).status).toBe(
      200,
    );
    expect((await api.send('GET', `/v1/tenants/${other.id}`, { token: own.token })).status).toBe(404);
  });

  it('are listed page by page, each once', async () => {
    for (let i = 0; i < 5; i++) await createTenant(api);
    const seen: string[] = [];
    let after = '';
    do {
      const page = await api.send('GET', `/v1/tenants?limit=2${after}`, { token: adminToken });
      expect(page.json.data.length).toBeLessThanOrEqual(2);
      seen.push(...page.json.data.map((t: { id: string }) => t.id));
      after = page.json.next === null ? '' : `&after=${page.json.next}`;
    } while (after !== '');
    const { rows } = await api.db.pool.query('SELECT id FROM tenants ORDER BY id');
    expect(seen).toEqual(rows.map((row) => row.id));
  });

  it('have a last page that says so when it is exactly full', async () => {
    const { rows } = await api.db.pool.query('SELECT count(*)::int AS n FROM tenants');
    const page = await api.send('GET', `/v1/tenants?limit=${rows[0].n}`, { token: adminToken });
    expect(page.json.data).toHaveLength(rows[0].n);
    expect(page.json.next).toBeNull();
  });

  it('are refused with every wrong field named', async () => {
    const body = { name: ' ', ports: -1, calls_per_second: 0, default_region: 'XX', bell: true };
    const wanted = ['/bell', '/calls_per_second', '/default_region', '/name', '/ports'];
    const made = await api.send('POST', '/v1/tenants', { token: adminToken, body });
    expect(made.status).toBe(422);
    expect(made.json.code).toBe('fields_invalid');
    expect(sortedFieldsOf(made.json)).toEqual(wanted);
    const { id } = await createTenant(api);
    const changed = await api.send('PATCH', `/v1/tenants/${id}`, { token: adminToken, body });
    expect(sortedFieldsOf(changed.json)).toEqual(wanted);
  });

  it('are refused with missing fields named', async () => {
    const made = await api.send('POST', '/v1/tenants', { token: adminToken, body: {} });
    expect(made.json.errors).toEqual([
      { field: '/name', message: 'is required' },
      { field: '/ports', message: 'is required' },
    ]);
  });

  it.each([
    ['?limit=0', ['?limit']],
    ['?limit=1001', ['?limit']],
    ['?limit=ten', ['?limit']],
    ['?limit=', ['?limit']],
    ['?limit=1&limit=2', ['?limit']],
    ['?after=x&offset=3', ['?after', '?offset']],
  ])('are not listed with the query %s', async (query, fields) => {
    const reply = await api.send('GET', `/v1/tenants${query}`, { token: adminToken });
    expect(reply.status).toBe(422);
    expect(sortedFieldsOf(reply.json)).toEqual(fields);
  });
});

describe('a suspended tenant', () => {
  it('is refused with all its tokens until it is not suspended any more; an admin still acts for it', async () => {
    const tenant = await createEquipped(api);
    const suspend = (suspended: boolean) =>
      api.send('PATCH', `/v1/tenants/${tenant.id}`, { token: adminToken, body: { suspended } });
    expect((await suspend(true)).json.suspended).toBe(true);
    for (const path of ['/v1/campaigns', `/v1/tenants/${tenant.id}`]) {
      const reply = await api.send('GET', path, { token: tenant.token });
      expect([reply.status, reply.json.code]).toEqual([403, 'tenant_suspended']);
    }
    expect(
      (await api.send('GET', `/v1/campaigns?tenant_id=${tenant.id}`, { token: adminToken })).status,
    ).toBe(200);
    await suspend(false);
    expect((await api.send('GET', '/v1/campaigns', { token: tenant.token })).status).toBe(200);
  });
});

describe('a tenant that is deleted', () => {
  const asAdmin = (method: string, path: string, body?: object) =>
    api.send(method, path, { token: adminToken, body });

  it('says since when, calls nobody, and lets nobody in or change anything until it is gone', async () => {
    const tenant = await createEquipped(api);
    const path = `/v1/tenants/${tenant.id}`;
    const campaign = await createCampaign(api, tenant);
    await addContacts(api, tenant, campaign, numbers(2));
    await api.send('POST', `/v1/campaigns/${campaign}/start`, { token: tenant.token });
    const asked = await asAdmin('DELETE', path);
    expect(asked.status).toBe(202);
    expect(asked.json).toMatchObject({ suspended: true, deleting_since: expect.any(String) });
    expect((await asAdmin('GET', path)).json).toEqual(asked.json);
    // Asked for again, it is the same.
    expect((await asAdmin('DELETE', path)).json).toEqual(asked.json);
    const named = `tenant_id=${tenant.id}`;
    expect((await asAdmin('GET', `/v1/campaigns/${campaign}?${named}`)).json.status).toBe('cancelled');
    const refused = [
      await api.send('GET', '/v1/campaigns', { token: tenant.token }),
      await api.send('GET', path, { token: tenant.token }),
      await asAdmin('PATCH', path, { suspended: false }),
      await asAdmin('POST', `/v1/suppression-lists?${named}`, { name: 'New' }),
    ];
    for (const { status, json } of refused) expect([status, json.code]).toEqual([403, 'tenant_deleting']);

    expect(await deleteTenant(api.db.pool, tenant.id)).toBe(true);
    expect((await asAdmin('GET', path)).status).toBe(404);
    expect((await asAdmin('DELETE', path)).status).toBe(404);
    const late = await api.send('GET', '/v1/campaigns', { token: tenant.token });
    expect([late.status, late.json.code]).toEqual([401, 'token_invalid']);
  });

  it('leaves in the audit log of the installation that it was deleted, and by whom, and nothing else', async () => {
    const tenant = await createEquipped(api, { name: 'Forgotten' });
    await asAdmin('DELETE', `/v1/tenants/${tenant.id}`);
    await deleteTenant(api.db.pool, tenant.id);
    const { rows } = await api.db.pool.query(
      `SELECT * FROM audit_log WHERE to_jsonb(audit_log)::text LIKE '%' || $1 || '%'`,
      [tenant.id],
    );
    expect(rows).toEqual([
      expect.objectContaining({
        tenant_id: null,
        role: 'admin',
        action: 'delete /v1/tenants/{id}',
        object_id: tenant.id,
        request: null,
      }),
    ]);
    expect(JSON.stringify(rows)).not.toContain('Forgotten');
  });

  it('is one that there is', async () => {
    expect((await asAdmin('DELETE', `/v1/tenants/${unknownId}`)).status).toBe(404);
  });
});
