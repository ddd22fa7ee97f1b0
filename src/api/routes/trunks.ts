import { transaction } from '../../db/pool.js';
import {
  ensurePbxTrunk,
  findTrunkById,
  insertTrunk,
  listTrunks,
  lockTrunk,
  updateTrunk,
} from '../../db/trunks.js';
import { newId } from '../../ids.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { route, type Services } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { newTrunk, trunk, trunkChanges } from '../schemas/trunk.js';

const refusal =
  'only an admin may create or change a trunk: it names an endpoint of the PBX, and naming one of somebody else would ' +
  'place calls at his cost';

export const createTrunk = route({
  method: 'post',
  path: '/v1/trunks',
  access: 'admin_for_tenant',
  refusal,
  summary: 'Create a trunk of a tenant; only an admin may',
  body: newTrunk,
  status: 201,
  answer: trunk,
  async handle({ tenant, body, ...services }) {
    await checkTemplate(services, body.template);
    return transaction(services.pool, async (tx) => {
      await ensurePbxTrunk(tx, body.pbx_trunk);
      return insertTrunk(tx, tenant.id, { id: newId(), ...body });
    });
  },
});

export const getTrunks = route({
  method: 'get',
  path: '/v1/trunks',
  access: 'tenant',
  summary: 'List the trunks',
  query: pageQuery,
  answer: listSchema(trunk),
  async handle({ db, tenant, query }) {
    const rows = await listTrunks(db, tenant.id, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getTrunk = route({
  method: 'get',
  path: '/v1/trunks/{id}',
  access: 'tenant',
  summary: 'Show a trunk',
  answer: trunk,
  async handle({ db, tenant, id }) {
    const found = await findTrunkById(db, tenant.id, id);
    if (!found) throw notFound('trunk');
    return found;
  },
});

export const changeTrunk = route({
  method: 'patch',
  path: '/v1/trunks/{id}',
  access: 'admin_for_tenant',
  refusal,
  summary: 'Change a trunk of a tenant; only an admin may. Calls under way keep what they were placed with',
  body: trunkChanges,
  answer: trunk,
  handle: ({ tenant, id, body, ...services }) =>
    transaction(services.pool, async (tx) => {
      const found = await lockTrunk(tx, tenant.id, id);
      if (!found) throw notFound('trunk');
      const changed = { ...found, ...body };
      if (changed.template !== found.template) await checkTemplate(services, changed.template);
      if (changed.pbx_trunk !== found.pbx_trunk) await ensurePbxTrunk(tx, changed.pbx_trunk);
      return updateTrunk(tx, tenant.id, changed);
    }),
});

/** A trunk whose template does not exist could place no call, and nobody would know why. */
async function checkTemplate(
  { hasTemplate }: Pick<Services, 'hasTemplate'>,
  template: string,
): Promise<void> {
  if (!hasTemplate || (await hasTemplate(template))) return;
  throw new FieldsInvalid([{ field: '/template', message: 'is no call-file template of this installation' }]);
}
