import { parseNumber, partsOf } from '../../calls/number.js';
import { eraseFromInstallation, eraseMentions, eraseRows, findTenantsWith } from '../../db/erase.js';
import {
  deleteErasure,
  deleteInstallationErasure,
  insertErasure,
  insertInstallationErasure,
  listErasures,
  listInstallationErasures,
} from '../../db/erasures.js';
import { asTenant } from '../../db/pool.js';
import { listTenants } from '../../db/tenants.js';
import { type Traces, tracesOf } from '../../db/traces.js';
import { waitForTurn } from '../../db/turn.js';
import { newId } from '../../ids.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { createdErasure, erasure, newErasure, newInstallationErasure } from '../schemas/erasure.js';

export const erasePerson = route({
  method: 'post',
  path: '/v1/erasures',
  access: 'tenant',
  summary:
    'Erase a person: every trace of the number goes, except a keyed hash by which it is never called again. To be repeated when it is cut off',
  body: newErasure,
  status: 201,
  answer: createdErasure,
  async handle({ db, change, tenant, body, hashNumber }) {
    const number = parseNumber(body.number, tenant.default_region);
    if (!number) {
      const message =
        'is not a phone number that can be dialled; give it as +14155550123, or set the tenant’s default_region';
      throw new FieldsInvalid([{ field: '/number', message }]);
    }
    const mentions = await eraseMentions(db, tenant.id, traces(number));
    return change(async (tx) => {
      await waitForTurn(tx);
      const kept = await insertErasure(tx, tenant.id, newId(), hashNumber(number));
      return { ...kept, ...(await eraseRows(tx, tenant.id, number)), mentions };
    });
  },
});

export const getErasures = route({
  method: 'get',
  path: '/v1/erasures',
  access: 'tenant',
  summary: 'List the erasures',
  query: pageQuery,
  answer: listSchema(erasure),
  async handle({ db, tenant, query }) {
    return listOf(await listErasures(db, tenant.id, pageOf(query)), query, (row) => row.id);
  },
});

export const deleteErasureRoute = route({
  method: 'delete',
  path: '/v1/erasures/{id}',
  access: 'tenant',
  summary: 'Forget an erasure, because the person wants to be called again: brings nothing back',
  status: 204,
  answer: null,
  handle: ({ change, tenant, id }) =>
    change(async (tx) => {
      if (!(await deleteErasure(tx, tenant.id, id))) throw notFound('erasure');
    }),
});

export const erasePersonEverywhere = route({
  method: 'post',
  path: '/v1/installation-erasures',
  access: 'admin',
  summary:
    'Erase a person from the data of every tenant and from the list that holds for all: no tenant calls the number again',
  body: newInstallationErasure,
  status: 201,
  answer: createdErasure,
  async handle({ pool, change, body, hashNumber }) {
    const found = traces(body.number);
    let mentions = 0;
    for (let after: string | null = null; ; ) {
      const tenants = await listTenants(pool, { after, limit: 100 });
      for (const { id } of tenants) mentions += await eraseMentions(asTenant(pool, id), id, found);
      after = tenants.at(-1)?.id ?? null;
      if (tenants.length < 100) break;
    }
    return change(async (tx) => {
      await waitForTurn(tx);
      const kept = await insertInstallationErasure(tx, newId(), hashNumber(body.number));
      const own = await eraseFromInstallation(tx, found);
      const rows = { contacts: 0, attempts: 0, suppressions: own.suppressions };
      for (const tenantId of await findTenantsWith(tx, body.number)) {
        const erased = await eraseRows(tx, tenantId, body.number);
        for (const key of Object.keys(rows) as (keyof typeof rows)[]) rows[key] += erased[key];
      }
      return { ...kept, ...rows, mentions: mentions + own.mentions };
    });
  },
});

export const getInstallationErasures = route({
  method: 'get',
  path: '/v1/installation-erasures',
  access: 'admin',
  summary: 'List the erasures that hold for every tenant',
  query: pageQuery,
  answer: listSchema(erasure),
  async handle({ pool, query }) {
    return listOf(await listInstallationErasures(pool, pageOf(query)), query, (row) => row.id);
  },
});

export const deleteInstallationErasureRoute = route({
  method: 'delete',
  path: '/v1/installation-erasures/{id}',
  access: 'admin',
  summary: 'Forget an erasure that holds for every tenant: brings nothing back',
  status: 204,
  answer: null,
  handle: ({ change, id }) =>
    change(async (tx) => {
      if (!(await deleteInstallationErasure(tx, id))) throw notFound('erasure');
    }),
});

function traces(number: string): Traces {
  const { countryCode, national } = partsOf(number);
  return tracesOf(number, countryCode, national);
}
