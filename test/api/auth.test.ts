import { beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../src/api/route.js';
import { routes } from '../../src/api/routes.js';
import { issueToken } from '../../src/api/token.js';
import { adminToken, secret } from './client.js';
import {
  addContacts,
  createCampaign,
  createImport,
  createTry,
  everything,
  forge,
  insertAttempt,
  numbers,
  unknownId,
} from './fixtures.js';
import { validRequest } from './requests.js';
import { useApi, useTenant } from './use.js';

let campaignId: string;
let importId: string;
let attemptId: string;
let tryId: string;

const api = useApi({ trustProxy: 1 });
const owner = useTenant(api);
const stranger = useTenant(api);
beforeAll(async () => {
  campaignId = await createCampaign(api, owner);
  await addContacts(api, owner, campaignId, numbers(3));
  ({ attemptId } = await insertAttempt(api, owner, campaignId));
  importId = await createImport(api, owner, campaignId);
  tryId = await createTry(api, owner);
});

const guarded = routes.filter((route) => route.access !== 'public');
const ofTenant = routes.filter(({ access }) => access === 'tenant' || access === 'admin_for_tenant');
const forAdmins = routes.filter(({ access }) => access === 'admin' || access === 'admin_for_tenant');
const withId = guarded.filter((route) => route.path.includes('{id}'));

const named = (list: Route[]) => list.map((route) => ({ name: `${route.method} ${route.path}`, route }));

describe('every guarded route', () => {
  const exp = Math.floor(Date.now() / 1000) + 60;
  const claims = { role: 'admin', iss: 'campanile', aud: 'campanile', exp };
  const badTokens: [string, string | undefined][] = [
    ['no token', undefined],
    ['a token signed with another secret', forge(claims, undefined, Buffer.alloc(32))],
    ['a token of algorithm none', forge(claims, { alg: 'none' }).replace(/[^.]*$/, '')],
    ['an expired token', forge({ ...claims, exp: 1 })],
    ['a token without expiry', forge({ ...claims, exp: undefined })],
  ];

  it.each(badTokens)('answers 401 to %s, and nothing happens', async (_, token) => {
    const before = await everything(api);
    for (const route of guarded) {
      const { path, sent } = validRequest(route, {
        campaign: campaignId,
        owner,
        import: importId,
        attempt: attemptId,
        try: tryId,
      });
      // From different addresses: so many bad tokens from one are refused in another way.
      const headers = { 'X-Forwarded-For': `10.0.0.${routes.indexOf(route)}` };
      const reply = await api.send(route.method, path, { ...sent, token, headers });
      expect(reply.status, `${route.method} ${path}`).toBe(401);
      const code = token === undefined ? 'token_missing' : 'token_invalid';
      expect(reply.json.code).toBe(code);
      expect(reply.headers.get('WWW-Authenticate')).toMatch(
        token === undefined
          ? /^Bearer realm="campanile"$/
          : /^Bearer realm="campanile", error="invalid_token"/,
      );
    }
    expect(await everything(api)).toBe(before);
  });

  it('answers 401 to a token of a tenant that does not exist', async () => {
    const token = issueToken(secret, { tenantId: unknownId }, 60);
    for (const route of ofTenant.filter((r) => r.access === 'tenant')) {
      const { path, sent } = validRequest(route, {
        campaign: campaignId,
        owner,
        import: importId,
        attempt: attemptId,
        try: tryId,
      });
      expect((await api.send(route.method, path, { ...sent, token })).status).toBe(401);
    }
  });

  it('takes the word Bearer in any case and no other scheme', async () => {
    const list = (Authorization: string) => api.send('GET', '/v1/tenants', { headers: { Authorization } });
    expect((await list(`bearer ${adminToken}`)).status).toBe(200);
    expect((await list(`Basic ${adminToken}`)).json.code).toBe('token_missing');
    expect((await list(adminToken)).json.code).toBe('token_missing');
  });
});

describe('an admin route', () => {
  it.each(named(forAdmins))('answers 403 to a tenant, and nothing happens: $name', async ({ route }) => {
    const before = await everything(api);
    const { path, sent } = validRequest(route, {
      campaign: campaignId,
      owner,
      import: importId,
      attempt: attemptId,
      try: tryId,
    });
    const reply = await api.send(route.method, path, { ...sent, token: owner.token });
    expect(reply.status).toBe(403);
    expect(reply.json.code).toBe('forbidden');
    expect(await everything(api)).toBe(before);
  });

  it('says why a tenant may not name endpoints of the PBX', async () => {
    const body = { name: 'Mine', template: 'direct', pbx_trunk: 'somebody-elses', ports: 1 };
    const reply = await api.send('POST', '/v1/trunks', { token: owner.token, body });
    expect(reply.json.detail).toContain('would place calls at his cost');
  });
});

describe('a viewer', () => {
  const readable = guarded.filter(
    (route) => route.method === 'get' && route.access !== 'admin' && !route.path.includes('{name}'),
  );
  const view = () => issueToken(secret, { tenantId: owner.id, viewer: true }, 60);

  it.each(named(readable))('reads what the tenant reads: $name', async ({ route }) => {
    const { path } = validRequest(route, {
      campaign: campaignId,
      owner,
      import: importId,
      attempt: attemptId,
      try: tryId,
    });
    const [viewed, own] = await Promise.all([
      api.send('GET', path, { token: view() }),
      api.send('GET', path, { token: owner.token }),
    ]);
    expect(viewed.status).toBe(200);
    // An estimate counts from now, which is a moment later for the second.
    const text = (bytes: Buffer) => bytes.toString('latin1').replace(/"ends_at":"[^"]*"/, '');
    expect(text(viewed.bytes)).toBe(text(own.bytes));
  });

  it.each(named(guarded.filter(({ method }) => method !== 'get')))(
    'changes nothing: $name',
    async ({ route }) => {
      const before = await everything(api);
      const { path, sent } = validRequest(route, {
        campaign: campaignId,
        owner,
        import: importId,
        attempt: attemptId,
        try: tryId,
      });
      const reply = await api.send(route.method, path, { ...sent, token: view() });
      expect(reply.status).toBe(403);
      expect(reply.json.code).toBe(forAdmins.includes(route) ? 'forbidden' : 'read_only');
      expect(await everything(api)).toBe(before);
    },
  );

  it('is told what to do instead', async () => {
    const path = `/v1/campaigns/${campaignId}/start`;
    const reply = await api.send('POST', path, { token: view() });
    expect(reply.json.detail).toContain("use a tenant's token");
  });

  it('views one tenant only', async () => {
    const token = view();
    const other = await api.send('GET', `/v1/campaigns?tenant_id=${stranger.id}`, { token });
    expect(other.status).toBe(403);
    expect((await api.send('GET', `/v1/trunks/${stranger.trunkId}`, { token })).status).toBe(404);
    expect((await api.send('GET', `/v1/tenants/${stranger.id}`, { token })).status).toBe(404);
    const gone = issueToken(secret, { tenantId: unknownId, viewer: true }, 60);
    expect((await api.send('GET', '/v1/campaigns', { token: gone })).status).toBe(401);
  });
});

describe('a tenant route', () => {
  it.each(named(withId))(
    "answers 404 to another tenant's id as to an unknown one: $name",
    async ({ route }) => {
      const { path, sent } = validRequest(route, {
        campaign: campaignId,
        owner,
        import: importId,
        attempt: attemptId,
        try: tryId,
      });
      const unknown = path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, unknownId);
      const noId = path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, 'one');
      // An admin who acts for the stranger where a tenant may not call at all; tenants are not of a tenant.
      const isForAdmin = forAdmins.includes(route);
      const isOfTenant = ofTenant.includes(route);
      const token = isForAdmin ? adminToken : stranger.token;
      const suffix = isForAdmin && isOfTenant ? `?tenant_id=${stranger.id}` : '';
      const before = await everything(api);
      const toUnknown = await api.send(route.method, unknown + suffix, { ...sent, token });
      const toNoId = await api.send(route.method, noId + suffix, { ...sent, token });
      expect([toUnknown.status, toNoId.status]).toEqual([404, 404]);
      if (isOfTenant || !isForAdmin) {
        const toOther = await api.send(route.method, path + suffix, { ...sent, token });
        expect(toOther.status).toBe(404);
        expect(toOther.json).toEqual(toUnknown.json);
      }
      expect(await everything(api)).toBe(before);
    },
  );

  it.each(named(ofTenant))('wants an admin to name a tenant that exists: $name', async ({ route }) => {
    const { path, sent } = validRequest(route, {
      campaign: campaignId,
      owner,
      import: importId,
      attempt: attemptId,
      try: tryId,
    });
    const join = path.includes('?') ? '&' : '?';
    for (const suffix of ['', `${join}tenant_id=${unknownId}`, `${join}tenant_id=parish`]) {
      const reply = await api.send(route.method, path + suffix, { ...sent, token: adminToken });
      expect(reply.status).toBe(422);
      expect(reply.json.errors).toEqual([{ field: '?tenant_id', message: expect.any(String) }]);
    }
  });

  it('lets an admin act for the tenant that he or his token names', async () => {
    const byQuery = await api.send('GET', `/v1/campaigns?tenant_id=${owner.id}`, { token: adminToken });
    expect(byQuery.json.data).toHaveLength(1);
    const exp = Math.floor(Date.now() / 1000) + 60;
    const token = forge({ role: 'admin', tenant_id: owner.id, iss: 'campanile', aud: 'campanile', exp });
    const byToken = await api.send('GET', '/v1/campaigns', { token });
    expect(byToken.json).toEqual(byQuery.json);
    const other = await api.send('GET', `/v1/campaigns?tenant_id=${stranger.id}`, { token });
    expect(other.json.data).toEqual([]);
  });

  it('takes the own id from a tenant, and no other', async () => {
    const own = await api.send('GET', `/v1/campaigns?tenant_id=${owner.id}`, { token: owner.token });
    expect(own.status).toBe(200);
    const other = await api.send('GET', `/v1/campaigns?tenant_id=${stranger.id}`, { token: owner.token });
    expect(other.status).toBe(403);
  });

  it("lists nothing of another tenant's", async () => {
    for (const noun of ['api_keys', 'trunks', 'messages', 'campaigns']) {
      const reply = await api.send('GET', `/v1/${noun}`, { token: stranger.token });
      const text = JSON.stringify(reply.json);
      for (const id of [owner.keyId, owner.trunkId, owner.messageId, campaignId])
        expect(text).not.toContain(id);
    }
  });
});
