import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.js';
import { type ApiFixture, adminToken, startApi } from './client.js';
import { createTenant, everything, type TenantOnApi } from './fixtures.js';

let api: ApiFixture;
let tenant: TenantOnApi;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'campanile-keys-'));
  api = await startApi({ log: createLog('trace', join(dir, 'log')) });
});
afterAll(async () => {
  await api.stop();
  await rm(dir, { recursive: true });
});
beforeEach(async () => {
  tenant = await createTenant(api);
});

const create = async (body: object = {}) =>
  (
    await api.send('POST', '/v1/api-keys', {
      token: tenant.token,
      body: { name: 'CRM', role: 'tenant', ...body },
    })
  ).json;
const list = (token: string) => api.send('GET', '/v1/campaigns', { token });
const show = async (id: string) =>
  (await api.send('GET', `/v1/api-keys/${id}`, { token: tenant.token })).json;
const revoke = (id: string, token = tenant.token) => api.send('DELETE', `/v1/api-keys/${id}`, { token });

describe('API keys', () => {
  it('are shown once, and only their hash is stored', async () => {
    const { key, ...made } = await create();
    expect(key).toMatch(/^cmp_[A-Za-z0-9_-]{43}$/);
    expect(made).toMatchObject({ name: 'CRM', role: 'tenant', last_used_at: null, revoked_at: null });
    expect(made.prefix).toBe(key.slice(0, 12));
    expect(await show(made.id)).toEqual(made);
    const all = await api.send('GET', '/v1/api-keys', { token: tenant.token });
    expect(all.json.data).toEqual([made]);
    const stored = await everything(api);
    expect(stored).not.toContain(key);
    expect(stored).toContain(createHash('sha256').update(key).digest('hex'));
  });

  it('are never the same', async () => {
    const keys = await Promise.all([create(), create(), create()]);
    expect(new Set(keys.map(({ key }) => key)).size).toBe(3);
  });

  it('do what their tenant may, and nothing for another', async () => {
    const { key } = await create();
    const upload = await api.send('POST', '/v1/campaigns', { token: key, body: {} });
    expect(upload.status).toBe(422);
    expect((await api.send('GET', `/v1/tenants/${tenant.id}`, { token: key })).json.id).toBe(tenant.id);
    const other = await createTenant(api);
    expect((await api.send('GET', `/v1/campaigns?tenant_id=${other.id}`, { token: key })).status).toBe(403);
    expect((await api.send('GET', '/v1/tenants', { token: key })).json.code).toBe('forbidden');
  });

  it('of a viewer only read', async () => {
    const { key } = await create({ role: 'viewer' });
    expect((await list(key)).status).toBe(200);
    const written = await api.send('POST', '/v1/campaigns', { token: key, body: {} });
    expect(written.json.code).toBe('read_only');
  });

  it('are refused from when they are revoked, and are still listed', async () => {
    const { key, id } = await create();
    expect((await list(key)).status).toBe(200);
    const reply = await revoke(id);
    expect(reply.status).toBe(204);
    expect(reply.bytes).toHaveLength(0);
    const refused = await list(key);
    expect(refused.status).toBe(401);
    expect(refused.json.code).toBe('token_invalid');
    expect(refused.json.detail).toContain('revoked');
    const { revoked_at } = await show(id);
    expect(revoked_at).not.toBeNull();
    expect((await revoke(id)).status).toBe(204);
    expect((await show(id)).revoked_at).toBe(revoked_at);
  });

  it('of others stay good when one is revoked', async () => {
    const [one, two] = await Promise.all([create(), create()]);
    await revoke(one.id);
    expect((await list(two.key)).status).toBe(200);
  });

  it("are not revoked by another tenant, who is told what he is told of an unknown key's id", async () => {
    const { key, id } = await create();
    const stranger = await createTenant(api);
    const before = await show(id);
    expect((await revoke(id, stranger.token)).status).toBe(404);
    expect(await show(id)).toEqual(before);
    expect((await list(key)).status).toBe(200);
  });

  it('neither make keys nor revoke any', async () => {
    const { key, id } = await create();
    const body = { name: 'Second', role: 'tenant' };
    for (const reply of [
      await api.send('POST', '/v1/api-keys', { token: key, body }),
      await revoke(id, key),
    ]) {
      expect(reply.status).toBe(403);
      expect(reply.json.code).toBe('forbidden');
      expect(reply.json.detail).toContain("use a tenant's token");
    }
    const all = await api.send('GET', '/v1/api-keys', { token: key });
    expect(all.json.data).toEqual([expect.objectContaining({ id, revoked_at: null })]);
  });

  it('are made and revoked by an admin for a tenant', async () => {
    const body = { name: 'CRM', role: 'tenant' };
    const made = await api.send('POST', `/v1/api-keys?tenant_id=${tenant.id}`, { token: adminToken, body });
    expect((await list(made.json.key)).status).toBe(200);
    const path = `/v1/api-keys/${made.json.id}?tenant_id=${tenant.id}`;
    expect((await api.send('DELETE', path, { token: adminToken })).status).toBe(204);
    expect((await list(made.json.key)).status).toBe(401);
  });

  it.each([`cmp_${'A'.repeat(43)}`, 'cmp_', 'cmp_A', 'CMP_A'])(
    'that were never made are refused: %s',
    async (key) => {
      const reply = await list(key);
      expect(reply.status).toBe(401);
      expect(reply.headers.get('WWW-Authenticate')).toContain('error="invalid_token"');
    },
  );

  it('are refused with every wrong field named', async () => {
    const body = { role: 'admin', key: 'cmp_mine' };
    const reply = await api.send('POST', '/v1/api-keys', { token: tenant.token, body });
    expect(reply.json.errors.map((e: { field: string }) => e.field).sort()).toEqual([
      '/key',
      '/name',
      '/role',
    ]);
  });

  it('come in pages', async () => {
    const ids = [(await create()).id, (await create()).id];
    const first = await api.send('GET', '/v1/api-keys?limit=1', { token: tenant.token });
    const path = `/v1/api-keys?limit=1&after=${first.json.next}`;
    const second = await api.send('GET', path, { token: tenant.token });
    expect([first.json.data[0].id, second.json.data[0].id]).toEqual(ids);
    expect(second.json.next).toBeNull();
  });

  it('are found by an index, of whichever tenant they are', async () => {
    const client = await api.db.pool.connect();
    try {
      // So few rows are read faster from the front than by any index.
      await client.query('BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off');
      const { rows } = await client.query(`EXPLAIN SELECT 1 FROM api_keys WHERE sha256 = 'ab'`);
      expect(JSON.stringify(rows)).toMatch(/Index (Only )?Scan using api_keys_sha256.*Index Cond/);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('are not in the log, whatever is done with them', async () => {
    const { key, id } = await create();
    await list(key);
    await revoke(id);
    await list(key);
    const log = await readFile(join(dir, 'log'), 'utf8');
    expect(log).toContain(id); // the path of what was done is
    expect(log).not.toContain('cmp_');
  });
});

describe('when a key was last used', () => {
  it('is written down, although the row is locked while the request is answered', async () => {
    const { key, id } = await create();
    const client = await api.db.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM api_keys WHERE id = $1 FOR UPDATE', [id]);
      expect((await list(key)).status).toBe(200);
      expect((await show(id)).last_used_at).toBeNull();
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    await expect.poll(async () => (await show(id)).last_used_at).not.toBeNull();
  });

  it('is written down before the API has stopped', async () => {
    const own = await startApi();
    const client = await own.db.pool.connect();
    try {
      const owner = await createTenant(own);
      const body = { name: 'CRM', role: 'tenant' };
      const { key, id } = (await own.send('POST', '/v1/api-keys', { token: owner.token, body })).json;
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM api_keys WHERE id = $1 FOR UPDATE', [id]);
      await own.send('GET', '/v1/campaigns', { token: key });
      let stopped = false;
      const stopping = own.api.stop(0).then(() => {
        stopped = true;
      });
      await expect(fetch(`${own.url}/healthz`)).rejects.toThrow();
      expect(stopped).toBe(false);
      await client.query('ROLLBACK');
      await stopping;
      const { rows } = await client.query('SELECT last_used_at FROM api_keys WHERE id = $1', [id]);
      expect(rows[0].last_used_at).not.toBeNull();
    } finally {
      client.release();
      await own.stop();
    }
  });

  it('that cannot be written is a warning in the log, and nothing to the request', async () => {
    const { key, id } = await create();
    await api.db.pool.query(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no room''; END';
      CREATE TRIGGER failing BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION fail();`);
    try {
      expect((await list(key)).status).toBe(200);
      const warning = async () =>
        (await readFile(join(dir, 'log'), 'utf8'))
          .split('\n')
          .find((line) => line.includes('when an API key was last used'));
      await expect.poll(warning).toContain(id);
      expect(await warning()).toContain('no room');
      expect((await list(key)).status).toBe(200);
    } finally {
      await api.db.pool.query('DROP TRIGGER failing ON api_keys');
    }
  });
});
