import jwt from 'jsonwebtoken';
import type { Context } from 'koa';
import { findApiKeyByHash } from '../db/api-keys.js';
import type { Db } from '../db/pool.js';
import { CampanileError } from '../errors.js';
import { hashOfKey, looksLikeApiKey } from './api-key.js';
import type { KeyUse } from './key-use.js';
import { createOutsideVerifier, type OutsideIssuer } from './outside-issuer.js';
import type { RateLimits } from './rate-limits.js';
import { invalidToken, isGuess, type Principal, secretKeyOf, verifyToken } from './token.js';

/** Who sends a request, by its Authorization header. Rejects with a CampanileError (401) when that says nothing good. */
export type Authenticate = (ctx: Context) => Promise<Principal>;

/**
 * Makes the one function that tells who asks. Our own tokens are signed with `secret`; those that name an outside issuer
 * are judged by its keys and its algorithms only; API keys are looked up in `db`, by their hash. Throws a CampanileError
 * (`secret_too_short`) below 32 bytes.
 */
export function createAuthenticate(options: {
  secret: Uint8Array;
  outsideIssuer?: OutsideIssuer | null | undefined;
  db: Db;
  keyUse: KeyUse;
  limits: RateLimits;
}): Authenticate {
  const secretKey = secretKeyOf(options.secret);
  const { outsideIssuer, db, keyUse, limits } = options;
  const verifyOutside = outsideIssuer && createOutsideVerifier(outsideIssuer);
  const verify = async (token: string): Promise<Principal> => {
    if (looksLikeApiKey(token)) return findOwner(db, keyUse, token);
    if (verifyOutside && issuerOf(token) === outsideIssuer.issuer) return verifyOutside(token);
    return verifyToken(secretKey, token);
  };
  return async (ctx) => {
    const token = bearerOf(ctx.get('Authorization'));
    await limits.refuseGuesser(ctx);
    try {
      return await verify(token);
    } catch (error) {
      if (isGuess(error)) await limits.countBadToken(ctx);
      throw error;
    }
  };
}

/** Whose key it is. Looked up for each request, so that one that was revoked is refused at once. */
async function findOwner(db: Db, keyUse: KeyUse, key: string): Promise<Principal> {
  const found = await findApiKeyByHash(db, hashOfKey(key));
  if (!found) throw invalidToken('the API key is not known, or was revoked');
  keyUse.note(found);
  return { role: found.role, tenantId: found.tenant_id, keyId: found.id };
}

/** The token of an Authorization header (RFC 6750). */
function bearerOf(authorization: string): string {
  const [, token] = /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization) ?? [];
  if (token !== undefined) return token;
  throw new CampanileError('token_missing', 'send a token: Authorization: Bearer ...');
}

/** What a token says of its issuer, before it is believed: it only chooses who is to verify it. */
function issuerOf(token: string): unknown {
  try {
    return jwt.decode(token, { json: true })?.iss;
  } catch {
    return undefined; // no JSON in it: as invalid a token of ours as any
  }
}
