import { createSign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOutsideVerifier } from '../../src/api/outside-issuer.js';
import { createLog } from '../../src/log.js';
import { type ApiFixture, adminToken, freePort, startApi } from './client.js';
import { createTenant, forge, type TenantOnApi, unknownId } from './fixtures.js';
import { createKey, type IssuerKey, type JwksServer, startJwksServer } from './jwks.js';

const rsa = createKey('rsa-1', 'RS256');
const ec = createKey('ec-1', 'ES256');
const stranger = createKey('rsa-1', 'RS256');
const names = { issuer: 'https://login.example.org/', audience: 'bells' };

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
const claimsFor = (tenant_id: string) => ({
  role: 'tenant',
  tenant_id,
  iss: names.issuer,
  aud: names.audience,
  exp: inSeconds(3600),
});

/** A token that `key` signed, its header's `alg` or `kid` replaced where `header` says so. */
function sign(payload: object, key: IssuerKey, header: { alg?: jwt.Algorithm; kid?: string } = {}): string {
  const options = { algorithm: header.alg ?? key.alg, keyid: header.kid ?? key.kid, noTimestamp: true };
  // Through JSON, where a claim that is undefined is none.
  return jwt.sign(JSON.parse(JSON.stringify(payload)), key.privateKey, options);
}

/** The same with a header as it stands, which a library would not write. */
function signRaw(payload: object, { privateKey }: IssuerKey, header: object | string): string {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const text = [json, JSON.stringify(payload)]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
  return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`;
}

const header = { alg: 'RS256', kid: 'rsa-1' };
const jwkOf = ({ publicKey }: IssuerKey) => publicKey.export({ format: 'jwk' });

describe('an outside issuer', () => {
  let jwks: JwksServer;
  let theirs: JwksServer;
  let api: ApiFixture;
  let tenant: TenantOnApi;
  beforeAll(async () => {
    jwks = await startJwksServer(rsa, ec);
    theirs = await startJwksServer(stranger);
    api = await startApi({ outsideIssuer: { ...names, jwksUrl: jwks.url } });
    tenant = await createTenant(api);
  });
  afterAll(async () => {
    await api.stop();
    await jwks.stop();
    await theirs.stop();
  });

  const list = (token: string) => api.send('GET', '/v1/campaigns', { token });

  it.each([rsa, ec])('has its tokens believed: $alg', async (key) => {
    expect((await list(sign(claimsFor(tenant.id), key))).status).toBe(200);
  });

  it('says who is a viewer and who an admin', async () => {
    const view = sign({ ...claimsFor(tenant.id), role: 'viewer' }, rsa);
    expect((await list(view)).status).toBe(200);
    const write = await api.send('POST', '/v1/campaigns', { token: view, body: {} });
    expect(write.json.code).toBe('read_only');
    const admin = sign({ ...claimsFor(tenant.id), role: 'admin', tenant_id: undefined }, ec);
    expect((await api.send('GET', '/v1/tenants', { token: admin })).status).toBe(200);
  });

  it('may name several audiences, and have a clock that is seconds ahead', async () => {
    const claims = { ...claimsFor(tenant.id), aud: ['choir', 'bells'], nbf: inSeconds(5) };
    expect((await list(sign(claims, rsa))).status).toBe(200);
  });

  it('leaves our own tokens good', async () => {
    expect((await list(tenant.token)).status).toBe(200);
  });

  const claims = claimsFor(unknownId);
  const pem = Buffer.from(rsa.publicKey.export({ type: 'spki', format: 'pem' }));
  const der = rsa.publicKey.export({ type: 'spki', format: 'der' });
  const refused: [string, (claims: object) => string][] = [
    ['HS256 by the public key as PEM', (c) => forge(c, { alg: 'HS256', kid: 'rsa-1' }, pem)],
    ['HS256 by the public key as DER', (c) => forge(c, { alg: 'HS256', kid: 'rsa-1' }, der)],
    ['HS256 by our own secret', (c) => forge(c, { alg: 'HS256' })],
    ['the algorithm none', (c) => forge(c, { alg: 'none', kid: 'rsa-1' }).replace(/[^.]*$/, '')],
    ['another algorithm of its key: RS512', (c) => sign(c, rsa, { alg: 'RS512' })],
    ['another algorithm of its key: PS256', (c) => sign(c, rsa, { alg: 'PS256' })],
    ['RS256 and the kid of an ES256 key', (c) => sign(c, rsa, { kid: 'ec-1' })],
    ["a stranger's key under a kid of its own", (c) => sign(c, stranger)],
    ["a stranger's kid", (c) => sign(c, stranger, { kid: 'of another issuer' })],
    ['no kid where two keys could be meant', (c) => jwt.sign(c, stranger.privateKey, { algorithm: 'RS256' })],
    ['a kid that is no text', (c) => forge(c, { alg: 'RS256', kid: { toString: 'rsa-1' } })],
    ['another issuer', (c) => sign({ ...c, iss: 'https://elsewhere.example.org/' }, rsa)],
    ['our name as its issuer', (c) => sign({ ...c, iss: 'campanile', aud: 'campanile' }, rsa)],
    ['no issuer', (c) => sign({ ...c, iss: undefined }, rsa)],
    ['another audience', (c) => sign({ ...c, aud: 'choir' }, rsa)],
    ['our audience', (c) => sign({ ...c, aud: 'campanile' }, rsa)],
    ['no audience', (c) => sign({ ...c, aud: undefined }, rsa)],
    ['an expiry in the past', (c) => sign({ ...c, exp: inSeconds(-60) }, rsa)],
    ['no expiry', (c) => sign({ ...c, exp: undefined }, rsa)],
    ['a time before which it is not good', (c) => sign({ ...c, nbf: inSeconds(60) }, rsa)],
    ['a signature that was cut', (c) => sign(c, ec).slice(0, -4)],
    ['no signature', (c) => sign(c, rsa).replace(/[^.]*$/, '')],
    ['a key of its own in its header', (c) => signRaw(c, stranger, { ...header, jwk: jwkOf(stranger) })],
    ['the address of its keys in its header', (c) => signRaw(c, stranger, { ...header, jku: theirs.url })],
    ['the address of its certificate there', (c) => signRaw(c, stranger, { ...header, x5u: theirs.url })],
    [
      'a critical part that nobody knows',
      (c) => signRaw(c, stranger, { ...header, crit: ['b64'], b64: false }),
    ],
    ['an algorithm twice', (c) => signRaw(c, stranger, `{"alg":"none",${JSON.stringify(header).slice(1)}`)],
    [
      'an algorithm twice, none last',
      (c) => signRaw(c, rsa, `${JSON.stringify(header).slice(0, -1)},"alg":"none"}`),
    ],
    ['a kid that is a path', (c) => signRaw(c, stranger, { ...header, kid: '../../../../dev/null' })],
    ['a kid that is SQL', (c) => signRaw(c, stranger, { ...header, kid: "' UNION SELECT 'key" })],
    ['a kid that every object has', (c) => signRaw(c, stranger, { ...header, kid: '__proto__' })],
    ['a kid of kilobytes', (c) => signRaw(c, stranger, { ...header, kid: 'x'.repeat(8000) })],
    ['a header that is none', (c) => signRaw(c, rsa, 'null')],
    ['no role', (c) => sign({ ...c, role: undefined }, rsa)],
    ['no tenant', (c) => sign({ ...c, tenant_id: undefined }, rsa)],
  ];

  it.each(refused)('has a token refused with %s', async (_, tokenOf) => {
    const reply = await list(tokenOf({ ...claims, tenant_id: tenant.id, role: 'tenant' }));
    expect(reply.status).toBe(401);
    expect(reply.json.code).toBe('token_invalid');
    expect(theirs.asked()).toBe(0);
  });

  it('has one believed that was written by hand, as those above are', async () => {
    expect((await list(signRaw(claimsFor(tenant.id), rsa, header))).status).toBe(200);
  });

  it('has a token of any length refused, as a header that is too large', async () => {
    const token = sign({ ...claimsFor(tenant.id), more: 'x'.repeat(20_000) }, rsa);
    const { port } = new URL(api.url);
    const sent = request({
      port,
      path: '/v1/campaigns',
      headers: { Authorization: `Bearer ${token}` },
    }).end();
    const [answer] = await once(sent, 'response');
    expect(answer.statusCode).toBe(431);
    answer.resume();
  });
});

describe('the keys of an outside issuer', () => {
  let jwks: JwksServer;
  let verify: ReturnType<typeof createOutsideVerifier>;
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    jwks = await startJwksServer(rsa);
    verify = createOutsideVerifier({ ...names, jwksUrl: jwks.url });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await jwks.stop();
  });

  const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);
  const token = (key: IssuerKey) => sign(claimsFor(unknownId), key);
  const good = { role: 'tenant', tenantId: unknownId };
  const invalid = { code: 'token_invalid', status: 401 };
  const unavailable = { code: 'issuer_unavailable', status: 503, retryAfterSeconds: 5 };

  it('are fetched once for many tokens, and again after ten minutes', async () => {
    await Promise.all(Array.from({ length: 10 }, () => verify(token(rsa))));
    pass(599);
    expect(await verify(token(rsa))).toEqual(good);
    expect(jwks.asked()).toBe(1);
    pass(2);
    await verify(token(rsa));
    expect(jwks.asked()).toBe(2);
  });

  it('are fetched again for a kid that is new, at most every 30 seconds', async () => {
    await verify(token(rsa));
    jwks.publish(rsa, ec);
    await expect(verify(token(ec))).rejects.toMatchObject(invalid);
    expect(jwks.asked()).toBe(1);
    pass(31);
    expect(await verify(token(ec))).toEqual(good);
    for (let i = 0; i < 20; i++) {
      await expect(verify(token({ ...rsa, kid: `guess-${i}` }))).rejects.toMatchObject(invalid);
      expect(await verify(token(rsa))).toEqual(good);
    }
    expect(jwks.asked()).toBe(2);
  });

  it('are no longer good once the issuer took them back', async () => {
    await verify(token(rsa));
    jwks.publish(ec);
    pass(601);
    await expect(verify(token(rsa))).rejects.toMatchObject(invalid);
  });

  it('are not asked for by a token that can be seen to be wrong', async () => {
    await expect(verify(forge(claimsFor(unknownId), { alg: 'HS256' }))).rejects.toMatchObject(invalid);
    expect(jwks.asked()).toBe(0);
  });

  it.each([404, 500, 302])(
    'that are answered with %i are not to be had, for five seconds',
    async (status) => {
      jwks.answerWith(status);
      await expect(verify(token(rsa))).rejects.toMatchObject(unavailable);
      jwks.answerWith(200);
      await expect(verify(token(rsa))).rejects.toMatchObject(unavailable);
      expect(jwks.asked()).toBe(1);
      pass(6);
      expect(await verify(token(rsa))).toEqual(good);
    },
  );

  it('that were had stay good while the issuer is away, and an unknown kid is not called wrong then', async () => {
    await verify(token(rsa));
    await jwks.stop();
    pass(60);
    expect(await verify(token(rsa))).toEqual(good);
    await expect(verify(token(ec))).rejects.toMatchObject(unavailable);
  });
});

describe('an outside issuer that is away', () => {
  it('is a 503 with Retry-After, and a line in the log that says why; our own tokens stay good', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'campanile-issuer-'));
    const file = join(dir, 'log');
    const jwksUrl = `http://127.0.0.1:${await freePort()}/jwks`;
    const api = await startApi({ log: createLog('info', file), outsideIssuer: { ...names, jwksUrl } });
    try {
      const token = sign(claimsFor(unknownId), rsa);
      const reply = await api.send('GET', '/v1/campaigns', { token });
      expect(reply.status).toBe(503);
      expect(reply.json.code).toBe('issuer_unavailable');
      expect(reply.headers.get('Retry-After')).toBe('5');
      expect(reply.headers.get('WWW-Authenticate')).toBeNull();
      const log = await readFile(file, 'utf8');
      expect(log).toContain(`cannot fetch ${jwksUrl}`);
      expect(log).not.toContain(token);
      expect((await api.send('GET', '/v1/tenants', { token: adminToken })).status).toBe(200);
    } finally {
      await api.stop();
      await rm(dir, { recursive: true });
    }
  });
});
