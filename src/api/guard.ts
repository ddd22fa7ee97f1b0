import type { Db } from '../db/pool.js';
import { findTenantById, type Tenant } from '../db/tenants.js';
import { CampanileError } from '../errors.js';
import type { FieldError } from './problem.js';
import type { Route } from './route.js';
import type { Principal } from './token.js';

/** Throws a CampanileError (403: `forbidden`, or `read_only` for a viewer) when the route is not for `principal`. */
export function authorize({ access, method, refusal, keyRefusal }: Route, principal: Principal): void {
  const adminOnly = access === 'admin' || access === 'admin_for_tenant';
  if (adminOnly && principal.role !== 'admin') throw forbidden(refusal);
  if (keyRefusal !== null && principal.keyId !== undefined) throw forbidden(keyRefusal);
  if (principal.role === 'viewer' && method !== 'get') {
    const message = "a viewer may only read: use a tenant's token, from campanile token --tenant ID";
    throw new CampanileError('read_only', message);
  }
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
  if (principal.role !== 'admin' && named !== undefined && named !== principal.tenantId) {
    throw forbidden('the token is for another tenant');
  }
  const id = named ?? principal.tenantId;
  if (id === null) {
    errors.push({ field: '?tenant_id', message: 'is required: an admin names the tenant to act for' });
    return undefined;
  }
  const tenant = await findTenantById(db, id);
  if (tenant && principal.role !== 'admin') refuseSuspended(tenant);
  if (tenant) return tenant;
  if (principal.role !== 'admin') {
    throw new CampanileError('token_invalid', 'the tenant that the token is for does not exist');
  }
  errors.push({ field: '?tenant_id', message: 'is no tenant' });
  return undefined;
}

/** The tenant whose requests are counted where the route is not about one, or the query is wrong: admins are free. */
export async function findCountedTenant(db: Db, principal: Principal): Promise<Tenant | null> {
  const tenant = principal.role === 'admin' ? null : await findTenantById(db, principal.tenantId);
  if (tenant) refuseSuspended(tenant);
  return tenant;
}

/** Throws a CampanileError (`tenant_deleting`, 403) when the tenant will be gone: nothing of it can be changed any more. */
export function refuseDeleting({ deleting_since }: Pick<Tenant, 'deleting_since'>): void {
  if (deleting_since) throw new CampanileError('tenant_deleting', 'the tenant is being deleted');
}

function refuseSuspended(tenant: Tenant): void {
  refuseDeleting(tenant);
  if (!tenant.suspended) return;
  throw new CampanileError(
    'tenant_suspended',
    'the tenant is suspended: ask the operator of this installation',
  );
}

/** The 403 of what a token does not allow. */
export function forbidden(message: string): CampanileError {
  return new CampanileError('forbidden', message);
}
