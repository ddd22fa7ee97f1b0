import { beginTenantDeletion } from '../../db/delete-tenant.js';
import { releaseHeldContacts } from '../../db/release-held.js';
import { findTenantById, insertTenant, listTenants, lockTenant, updateTenant } from '../../db/tenants.js';
import { newId } from '../../ids.js';
import { refuseDeleting } from '../guard.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { newTenant, tenant, tenantChanges } from '../schemas/tenant.js';

export const createTenant = route({
  method: 'post',
  path: '/v1/tenants',
  access: 'admin',
  summary: 'Create a tenant',
  body: newTenant,
  status: 201,
  answer: tenant,
  handle: ({ change, body }) => change((tx) => insertTenant(tx, { id: newId(), ...body })),
});

export const getTenants = route({
  method: 'get',
  path: '/v1/tenants',
  access: 'admin',
  summary: 'List the tenants',
  query: pageQuery,
  answer: listSchema(tenant),
  async handle({ pool, query }) {
    const rows = await listTenants(pool, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getTenant = route({
  method: 'get',
  path: '/v1/tenants/{id}',
  access: 'token',
  summary: 'Show a tenant; a tenant sees itself',
  answer: tenant,
  async handle({ pool, principal, id }) {
    const isOwn = principal.role === 'admin' || principal.tenantId === id;
    const found = isOwn ? await findTenantById(pool, id) : null;
    if (!found) throw notFound('tenant');
    return found;
  },
});

export const changeTenant = route({
  method: 'patch',
  path: '/v1/tenants/{id}',
  access: 'admin',
  summary: 'Change a tenant',
  body: tenantChanges,
  answer: tenant,
  async handle({ pool, change, id, body }) {
    const changed = await change(async (tx) => {
      const found = await lockTenant(tx, id);
      if (!found) throw notFound('tenant');
      refuseDeleting(found);
      return updateTenant(tx, { ...found, ...body });
    });
    if (body.frequency_caps || body.silent_call_lockout_hours !== undefined)
      await releaseHeldContacts(pool, id);
    return changed;
  },
});

export const deleteTenantRoute = route({
  method: 'delete',
  path: '/v1/tenants/{id}',
  access: 'admin',
  summary:
    'Delete a tenant with all that is its: its calls are hung up, nobody gets in any more, and when its files and rows are removed it is 404',
  status: 202,
  answer: tenant,
  handle: ({ change, id }) =>
    change(async (tx) => {
      const found = await beginTenantDeletion(tx, id);
      if (!found) throw notFound('tenant');
      return found;
    }),
});
