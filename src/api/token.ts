import { createSecretKey, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import { CampanileError } from '../errors.js';

/**
 * Who asks: an admin, who may act for one tenant at a time, a tenant, or a viewer of a tenant, who may only read. With `keyId` he
 * came by an API key, and else by a token. `subject` is the token's `sub`.
 */
export type Principal =
  | { role: 'admin'; tenantId: string | null; keyId?: undefined; subject?: string }
  | { role: 'tenant' | 'viewer'; tenantId: string; keyId?: string; subject?: string };

/** `iss` and `aud` of our own tokens. */
const ISSUER = 'campanile';
const AUDIENCE = 'campanile';
const ALGORITHM = 'HS256';
const MIN_SECRET_BYTES = 32; // RFC 7518 section 3.2: a key of the hash's size or larger

const subject = z.string().max(255).optional();
const claims = z.discriminatedUnion('role', [
  z.object({
    role: z.literal('admin'),
    tenant_id: z.uuid().toLowerCase().optional(),
    exp: z.number(),
    sub: subject,
  }),
  z.object({
    role: z.enum(['tenant', 'viewer']),
    tenant_id: z.uuid().toLowerCase(),
    exp: z.number(),
    sub: subject,
  }),
]);

/** The key that tokens are signed with. Throws a CampanileError (`secret_too_short`) below 32 bytes. */
export function secretKeyOf(secret: Uint8Array): KeyObject {
  if (secret.length < MIN_SECRET_BYTES) {
    throw new CampanileError(
      'secret_too_short',
      `the secret has ${secret.length} bytes: tokens can only be signed with ${MIN_SECRET_BYTES} or more`,
    );
  }
  return createSecretKey(secret);
}

/**
 * A token (JWT, RFC 7519) for a tenant, a viewer of it, or an admin, that is good for `ttlSeconds` from now. Throws a
 * CampanileError: `secret_too_short`, or `tenant_id_invalid`.
 */
export function issueToken(
  secret: Uint8Array,
  grant: ({ tenantId: string; viewer?: boolean } | { admin: true }) & { subject?: string },
  ttlSeconds: number,
): string {
  if ('tenantId' in grant && !z.uuid().safeParse(grant.tenantId).success) {
    throw new CampanileError(
      'tenant_id_invalid',
      `"${grant.tenantId}" is not the id of a tenant, which is a UUID`,
    );
  }
  const payload =
    'admin' in grant
      ? { role: 'admin' }
      : { role: grant.viewer ? 'viewer' : 'tenant', tenant_id: grant.tenantId };
  return jwt.sign(payload, secretKeyOf(secret), {
    algorithm: ALGORITHM,
    issuer: ISSUER,
    audience: AUDIENCE,
    expiresIn: Math.ceil(ttlSeconds),
    ...(grant.subject === undefined ? {} : { subject: grant.subject }),
  });
}

/** Reads a token. Throws a CampanileError (`token_invalid`, 401) unless it is ours, signed, whole and not expired. */
export function verifyToken(secretKey: KeyObject, token: string): Principal {
  return verifyWith(secretKey, token, { algorithms: [ALGORITHM], issuer: ISSUER, audience: AUDIENCE });
}

/** What a token must be like. Every field is given, because jsonwebtoken does not check what it is not told. */
type Expected = Pick<jwt.VerifyOptions, 'clockTolerance'> &
  Required<Pick<jwt.VerifyOptions, 'algorithms'>> & { issuer: string; audience: string };

/** Reads a token of the issuer whose key this is. Throws a CampanileError (`token_invalid`, 401) unless it is good. */
export function verifyWith(key: KeyObject, token: string, expected: Expected): Principal {
  const { role, tenant_id, sub } = claimsOf(key, token, expected);
  const who = sub === undefined ? {} : { subject: sub };
  return role === 'admin'
    ? { role, tenantId: tenant_id ?? null, ...who }
    : { role, tenantId: tenant_id, ...who };
}

function claimsOf(key: KeyObject, token: string, expected: Expected): z.output<typeof claims> {
  let payload: unknown;
  try {
    payload = jwt.verify(token, key, expected);
  } catch (error) {
    // Not only JsonWebTokenErrors: a payload that is no JSON throws a SyntaxError, a cut ES256 signature a TypeError.
    if (error instanceof jwt.TokenExpiredError) throw invalidToken('the token has expired', error);
    throw invalidToken();
  }
  const checked = claims.safeParse(payload);
  if (!checked.success) throw invalidToken('the token does not say who it is for and how long it is good');
  return checked.data;
}

/** The 401 of a token that is not good. */
export function invalidToken(
  message = 'the token is not a valid one of this installation',
  cause?: unknown,
): CampanileError {
  return new CampanileError('token_invalid', message, { cause });
}

/** Whether somebody may have tried his luck: not with a token that was signed as it should, and only has expired. */
export function isGuess(error: unknown): boolean {
  return (
    error instanceof CampanileError &&
    error.code === 'token_invalid' &&
    !(error.cause instanceof jwt.TokenExpiredError)
  );
}
