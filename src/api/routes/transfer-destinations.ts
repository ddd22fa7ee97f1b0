import type { Db } from '../../db/pool.js';
import {
  deleteTransferDestination,
  findTransferDestination,
  insertTransferDestination,
  listTransferDestinations,
  lockTransferDestination,
  type NewTransferDestination,
  updateTransferDestination,
} from '../../db/transfer-destinations.js';
import { findTrunkById } from '../../db/trunks.js';
import { newId } from '../../ids.js';
import { forbidden } from '../guard.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import {
  newTransferDestination,
  transferDestination,
  transferDestinationChanges,
} from '../schemas/transfer-destination.js';
import type { Principal } from '../token.js';

const refusal =
  'only an admin may create, change or delete an extension or a queue as a destination: they are of the PBX, which tenants share';

export const createTransferDestination = route({
  method: 'post',
  path: '/v1/transfer-destinations',
  access: 'tenant_or_admin',
  summary: 'Create a transfer destination: a number, or, as an admin, an extension or a queue of the PBX',
  body: newTransferDestination,
  status: 201,
  answer: transferDestination,
  handle: ({ change, tenant, principal, body }) => {
    allow(principal, body);
    const made = { id: newId(), trunk_id: null, ...body };
    return change(async (tx) => {
      await checkTrunk(tx, tenant.id, made);
      await insertTransferDestination(tx, tenant.id, made);
      return (await findTransferDestination(tx, tenant.id, made.id)) ?? missing();
    });
  },
});

export const getTransferDestinations = route({
  method: 'get',
  path: '/v1/transfer-destinations',
  access: 'tenant',
  summary: 'List the transfer destinations',
  query: pageQuery,
  answer: listSchema(transferDestination),
  async handle({ db, tenant, query }) {
    const rows = await listTransferDestinations(db, tenant.id, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getTransferDestination = route({
  method: 'get',
  path: '/v1/transfer-destinations/{id}',
  access: 'tenant',
  summary: 'Show a transfer destination, and how many calls are there now',
  answer: transferDestination,
  async handle({ db, tenant, id }) {
    return (await findTransferDestination(db, tenant.id, id)) ?? missing();
  },
});

export const changeTransferDestination = route({
  method: 'patch',
  path: '/v1/transfer-destinations/{id}',
  access: 'tenant_or_admin',
  summary: 'Change a transfer destination; an extension or a queue only as an admin',
  body: transferDestinationChanges,
  answer: transferDestination,
  async handle({ db, change, tenant, principal, id, body }) {
    allow(principal, (await findTransferDestination(db, tenant.id, id)) ?? missing());
    return change(async (tx) => {
      const before = (await lockTransferDestination(tx, tenant.id, id)) ?? missing();
      const changed = { ...before, ...body };
      checkTarget(changed);
      await checkTrunk(tx, tenant.id, changed);
      await updateTransferDestination(tx, tenant.id, changed);
      return (await findTransferDestination(tx, tenant.id, id)) ?? missing();
    });
  },
});

export const deleteTransferDestinationRoute = route({
  method: 'delete',
  path: '/v1/transfer-destinations/{id}',
  access: 'tenant_or_admin',
  summary: 'Delete a transfer destination that no campaign needs any more',
  status: 204,
  answer: null,
  problems: ['destination_in_use'],
  async handle({ db, change, tenant, principal, id }) {
    allow(principal, (await findTransferDestination(db, tenant.id, id)) ?? missing());
    await change(async (tx) => {
      if (!(await lockTransferDestination(tx, tenant.id, id))) missing();
      await deleteTransferDestination(tx, tenant.id, id);
    });
  },
});

function allow({ role }: Principal, { kind }: Pick<NewTransferDestination, 'kind'>): void {
  if (kind !== 'number' && role !== 'admin') throw forbidden(refusal);
}

/** What a change gives must be what its kind takes. */
function checkTarget({ kind, target, trunk_id }: NewTransferDestination): void {
  const whole = { name: 'x', kind, target, ports: 0, ...(kind === 'number' ? { trunk_id } : {}) };
  const checked = newTransferDestination.safeParse(whole);
  const wrong = checked.error?.issues ?? [];
  const errors = wrong.map(({ path, message }) => ({ field: `/${path.join('/')}`, message }));
  if (kind !== 'number' && trunk_id !== null)
    errors.push({ field: '/trunk_id', message: 'is for numbers only' });
  if (errors.length > 0) throw new FieldsInvalid(errors);
}

async function checkTrunk(db: Db, tenantId: string, { trunk_id }: NewTransferDestination): Promise<void> {
  if (trunk_id === null || (await findTrunkById(db, tenantId, trunk_id))) return;
  throw new FieldsInvalid([{ field: '/trunk_id', message: 'is no trunk' }]);
}

function missing(): never {
  throw notFound('transfer destination');
}
