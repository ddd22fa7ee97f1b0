import { describe, expect, it } from 'vitest';
import { issueToken, secretKeyOf, verifyToken } from '../../src/api/token.js';
import { secret } from './client.js';
import { forge, unknownId } from './fixtures.js';

const key = secretKeyOf(secret);

const exp = Math.floor(Date.now() / 1000) + 60;
const good = { role: 'tenant', tenant_id: unknownId, iss: 'campanile', aud: 'campanile', exp };

describe('tokens', () => {
  it('say who they were issued for', () => {
    expect(verifyToken(key, issueToken(secret, { admin: true }, 60))).toEqual({
      role: 'admin',
      tenantId: null,
    });
    expect(verifyToken(key, issueToken(secret, { tenantId: unknownId }, 60))).toEqual({
      role: 'tenant',
      tenantId: unknownId,
    });
    expect(verifyToken(key, issueToken(secret, { tenantId: unknownId, viewer: true }, 60))).toEqual({
      role: 'viewer',
      tenantId: unknownId,
    });
  });

  it('of an admin may name the tenant he acts for', () => {
    expect(verifyToken(key, forge({ ...good, role: 'admin' }))).toEqual({
      role: 'admin',
      tenantId: unknownId,
    });
  });

  it('are good for as long as was said', () => {
    const [, payload] = issueToken(secret, { admin: true }, 0.5).split('.');
    const { iat, exp: until } = JSON.parse(Buffer.from(payload!, 'base64url').toString());
    expect(until - iat).toBe(1);
  });

  it.each([
    ['another secret', forge(good, undefined, Buffer.alloc(32))],
    ['no signature', forge(good).replace(/[^.]*$/, '')],
    ['the algorithm none', forge(good, { alg: 'none' }).replace(/[^.]*$/, '')],
    ['the algorithm HS512', forge(good, { alg: 'HS512' })],
    ['no expiry', forge({ ...good, exp: undefined })],
    ['an expiry in the past', forge({ ...good, exp: 1 })],
    ['an expiry that is text', forge({ ...good, exp: '2099' })],
    ['another issuer', forge({ ...good, iss: 'carillon' })],
    ['no issuer', forge({ ...good, iss: undefined })],
    ['another audience', forge({ ...good, aud: 'carillon' })],
    ['no audience', forge({ ...good, aud: undefined })],
    ['a time before which it is not good', forge({ ...good, nbf: exp })],
    ['no role', forge({ ...good, role: undefined })],
    ['an unknown role', forge({ ...good, role: 'root' })],
    ['no tenant', forge({ ...good, tenant_id: undefined })],
    ['no tenant to view', forge({ ...good, role: 'viewer', tenant_id: undefined })],
    ['a tenant that is no id', forge({ ...good, tenant_id: '1 OR 1=1' })],
    ['nothing in it', ''],
    ['no dots', 'token'],
    [
      'a payload that is no JSON',
      forge(good, { alg: 'HS256', typ: 'JWT' }).replace(/\.[^.]*\./, '.bm90IGpzb24.'),
    ],
  ])('are refused with %s', (_, token) => {
    expect(() => verifyToken(key, token)).toThrow(
      expect.objectContaining({ code: 'token_invalid', status: 401 }),
    );
  });

  it('are not signed with less than 32 bytes', () => {
    expect(() => issueToken(Buffer.alloc(31), { admin: true }, 60)).toThrow('31 bytes');
    expect(() => issueToken(Buffer.alloc(32), { admin: true }, 60)).not.toThrow();
  });

  it('are not issued for what is no id of a tenant', () => {
    expect(() => issueToken(secret, { tenantId: 'parish' }, 60)).toThrow(
      '"parish" is not the id of a tenant',
    );
  });
});
