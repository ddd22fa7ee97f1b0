import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { issueToken } from '../../src/api/token.js';
import { adminToken, type Reply, secret, startApi } from './client.js';
import { createTenant, everything, forge, type TenantOnApi } from './fixtures.js';
import { useApi } from './use.js';

const api = useApi({ trustProxy: 1 });
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);
const list = (token: string, query = '') => api.send('GET', `/v1/campaigns${query}`, { token });
const statuses = (replies: Reply[]) => replies.map(({ status }) => status);
const change = (tenant: TenantOnApi, requests_per_minute: number | null) =>
  api.send('PATCH', `/v1/tenants/${tenant.id}`, { token: adminToken, body: { requests_per_minute } });

/** The answers to `count` requests, one after the other. */
async function times(count: number, request: () => Promise<Reply>): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (let i = 0; i < count; i++) replies.push(await request());
  return replies;
}

describe('the requests of a tenant', () => {
  it('are answered up to its limit, then refused until the minute is over', async () => {
    const tenant = await createTenant(api, { requests_per_minute: 3 });
    const [first, second] = await times(2, () => list(tenant.token));
    expect(first!.headers.get('RateLimit-Policy')).toBe('"tenant";q=3;w=60');
    expect(first!.headers.get('RateLimit')).toBe('"tenant";r=2;t=60');
    expect(second!.headers.get('RateLimit')).toBe('"tenant";r=1;t=60');
    expect(second!.headers.get('Retry-After')).toBeNull();
    pass(20);
    expect(statuses(await times(3, () => list(tenant.token)))).toEqual([200, 429, 429]);
    const refused = await list(tenant.token);
    expect(refused.json.code).toBe('rate_limited');
    expect(refused.headers.get('RateLimit')).toBe('"tenant";r=0;t=40');
    expect(refused.headers.get('Retry-After')).toBe('40');
    expect(refused.json.detail).toContain('3 requests a minute');
    pass(40);
    expect((await list(tenant.token)).headers.get('RateLimit')).toBe('"tenant";r=2;t=60');
  });

  it('do nothing when they are refused', async () => {
    const tenant = await createTenant(api, { requests_per_minute: 1 });
    await list(tenant.token);
    const before = await everything(api);
    const body = { name: 'CRM', role: 'tenant' };
    expect((await api.send('POST', '/v1/api-keys', { token: tenant.token, body })).status).toBe(429);
    expect(await everything(api)).toBe(before);
  });

  it('count together, by token, viewer, key or admin, right or wrong, and not against another', async () => {
    const tenant = await createTenant(api, { requests_per_minute: 7 });
    const other = await createTenant(api, { requests_per_minute: 1 });
    const body = { name: 'CRM', role: 'tenant' };
    const made = await api.send('POST', '/v1/api-keys', { token: tenant.token, body });
    const replies = [
      made,
      await list(made.json.key),
      await list(issueToken(secret, { tenantId: tenant.id, viewer: true }, 600)),
      await list(adminToken, `?tenant_id=${tenant.id}`),
      await list(tenant.token, '?limit=0'),
      await api.send('GET', `/v1/tenants/${tenant.id}`, { token: tenant.token }),
      await list(tenant.token),
      await list(made.json.key),
      await list(adminToken, `?tenant_id=${tenant.id}`),
    ];
    expect(statuses(replies)).toEqual([201, 200, 200, 200, 422, 200, 200, 429, 429]);
    expect((await list(other.token)).status).toBe(200);
  });

  it('have the limit that an admin sets, from then on', async () => {
    const tenant = await createTenant(api, { requests_per_minute: 1 });
    expect(statuses(await times(2, () => list(tenant.token)))).toEqual([200, 429]);
    await change(tenant, 4);
    expect(statuses(await times(3, () => list(tenant.token)))).toEqual([200, 200, 429]);
    await change(tenant, null);
    const free = await times(10, () => list(tenant.token));
    expect(statuses(free)).toEqual(Array(10).fill(200));
    expect(free[0]!.headers.get('RateLimit')).toBeNull();
  });

  it('are not what an admin without a tenant, the documentation and the health check send', async () => {
    for (const path of ['/v1/tenants', '/docs', '/openapi.json', '/healthz']) {
      const reply = await api.send('GET', path, { token: adminToken });
      expect(reply.status).toBe(200);
      expect(reply.headers.get('RateLimit')).toBeNull();
    }
  });
});

describe('an address that sends bad tokens', () => {
  const from = (address: string, token: string | undefined) =>
    api.send('GET', '/v1/tenants', { token, headers: { 'X-Forwarded-For': address } });
  const key = `cmp_${'A'.repeat(43)}`;

  it('is refused after a hundred of them, whatever it sends, until the minute is over', async () => {
    const refused = await times(100, () => from('192.0.2.1', key));
    expect(new Set(statuses(refused))).toEqual(new Set([401]));
    pass(15);
    for (const token of [key, adminToken]) {
      const reply = await from('192.0.2.1', token);
      expect(reply.status).toBe(429);
      expect(reply.json.code).toBe('too_many_bad_tokens');
      expect(reply.headers.get('Retry-After')).toBe('45');
    }
    expect((await from('192.0.2.2', adminToken)).status).toBe(200);
    expect((await api.send('GET', '/healthz', { headers: { 'X-Forwarded-For': '192.0.2.1' } })).status).toBe(
      200,
    );
    pass(45);
    expect((await from('192.0.2.1', adminToken)).status).toBe(200);
  });

  it('is counted for forged tokens too, and not for expired or missing ones', async () => {
    const exp = Math.floor(Date.now() / 1000) - 10;
    const expired = forge({ role: 'admin', iss: 'campanile', aud: 'campanile', exp });
    await times(100, () => from('192.0.2.3', expired));
    await times(100, () => from('192.0.2.3', undefined));
    expect((await from('192.0.2.3', expired)).status).toBe(401);
    await times(100, () => from('192.0.2.3', forge({ role: 'admin' }, undefined, Buffer.alloc(32))));
    expect((await from('192.0.2.3', expired)).status).toBe(429);
  });

  it('is the one that our proxy saw, whatever the client wrote before it', async () => {
    let i = 0;
    await times(100, () => from(`198.51.100.${i++}, 192.0.2.4`, key));
    expect((await from('198.51.100.200, 192.0.2.4', key)).status).toBe(429);
    expect((await from('192.0.2.4, 192.0.2.5', key)).status).toBe(401);
  });

  it('is all of an IPv6 /64', async () => {
    let i = 0;
    await times(100, () => from(`2001:db8:0:1::${(i++).toString(16)}`, key));
    expect((await from('2001:DB8::1:ffff:ffff:ffff:ffff', key)).status).toBe(429);
    expect((await from('2001:db8:0:2::1', key)).status).toBe(401);
  });

  it('is that of the connection where no proxy is trusted', async () => {
    const direct = await startApi();
    try {
      let i = 0;
      const send = () =>
        direct.send('GET', '/v1/tenants', {
          token: key,
          headers: { 'X-Forwarded-For': `198.51.100.${i++}` },
        });
      expect((await times(101, send)).at(-1)!.status).toBe(429);
    } finally {
      await direct.stop();
    }
  });
});
