import type { KeyObject } from 'node:crypto';
import type { Db } from '../db/pool.js';
import { findTenantById, type Tenant } from '../db/tenants.js';
import { CampanileError } from '../errors.js';
import type { FieldError } from './problem.js';
import type { Route } from './route.js';
import { type Principal, verifyToken } from './token.js';

/** Who asks, by the Authorization header (RFC 6750). Throws a CampanileError (401). */
export function authenticate(secretKey: KeyObject, authorization: string): Principal {
  const [, token] = /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization) ?? [];
  if (token === undefined) {
    throw new CampanileError('token_missing', 'send a token: Authorization: Bearer ...', { status: 401 });
  }
  return verifyToken(secretKey, token);
}

/** Throws a CampanileError (`forbidden`, 403) when the route is not for `principal`. */
export function authorize({ access, refusal }: Route, principal: Principal): void {
  const adminOnly = access === 'admin' || access === 'admin_for_tenant';
  if (adminOnly && principal.role !== 'admin') throw forbidden(refusal);
}

/**
 * The tenant that a request is about: the token's own, or the one that an admin names. Undefined when an admin names
 * none, or none that exists: then `errors` says so. Throws a CampanileError: 403 when a tenant names another one, 401
 * when the token's tenant is gone.
 */
export async function findTenantOf(
  db: Db,
  principal: Principal,
  named: string | undefined,
  errors: FieldError[],
): Promise<Tenant | undefined> {
  if (principal.role === 'tenant' && named !== undefined && named !== principal.tenantId) {
    throw forbidden('the token is for another tenant');
  }
  const id = named ?? principal.tenantId;
  if (id === null) {
    errors.push({ field: '?tenant_id', message: 'is required: an admin names the tenant to act for' });
    return undefined;
  }
  const tenant = await findTenantById(db, id);
  if (tenant) return tenant;
  if (principal.role === 'tenant') {
    throw new CampanileError('token_invalid', 'the tenant that the token is for does not exist', {
      status: 401,
    });
  }
  errors.push({ field: '?tenant_id', message: 'is no tenant' });
  return undefined;
}

/** The 403 of what a token does not allow. */
export function forbidden(message: string): CampanileError {
  return new CampanileError('forbidden', message, { status: 403 });
}
