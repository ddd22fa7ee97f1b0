import {
  addInstallationSuppressions,
  addSuppressedNumbers,
  deleteInstallationSuppression,
  deleteSuppressedNumber,
  deleteSuppressionList,
  findSuppressionListById,
  insertSuppressionList,
  listInstallationSuppressions,
  listSuppressedNumbers,
  listSuppressionLists,
  updateSuppressionList,
} from '../../db/suppressions.js';
import { CampanileError } from '../../errors.js';
import { newId } from '../../ids.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { added } from '../schemas/contact.js';
import {
  newSuppressionList,
  numberPageQuery,
  oneNumber,
  suppressedNumber,
  suppressedNumbers,
  suppressedNumbersCsv,
  suppressionList,
  suppressionListChanges,
} from '../schemas/suppression.js';
import { readNumbers } from '../suppression-rows.js';

const content = { 'application/json': suppressedNumbers, 'text/csv': suppressedNumbersCsv };
const upload = { content, limit: 10 * 1024 * 1024 };

export const createSuppressionList = route({
  method: 'post',
  path: '/v1/suppression-lists',
  access: 'tenant',
  summary: 'Create a suppression list: its numbers are never called',
  body: newSuppressionList,
  status: 201,
  answer: suppressionList,
  handle: ({ change, tenant, body }) => {
    const as_of = body.as_of ?? new Date().toISOString().slice(0, 10);
    return change((tx) => insertSuppressionList(tx, tenant.id, { id: newId(), name: body.name, as_of }));
  },
});

export const getSuppressionLists = route({
  method: 'get',
  path: '/v1/suppression-lists',
  access: 'tenant',
  summary: 'List the suppression lists',
  query: pageQuery,
  answer: listSchema(suppressionList),
  async handle({ db, tenant, query }) {
    const rows = await listSuppressionLists(db, tenant.id, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getSuppressionList = route({
  method: 'get',
  path: '/v1/suppression-lists/{id}',
  access: 'tenant',
  summary: 'Show a suppression list',
  answer: suppressionList,
  handle: async ({ db, tenant, id }) => (await findSuppressionListById(db, tenant.id, id)) ?? missing(),
});

export const changeSuppressionList = route({
  method: 'patch',
  path: '/v1/suppression-lists/{id}',
  access: 'tenant',
  summary: 'Rename a suppression list, or say of which day it is now',
  body: suppressionListChanges,
  answer: suppressionList,
  handle: ({ change, tenant, id, body }) =>
    change(async (tx) => (await updateSuppressionList(tx, tenant.id, id, body)) ?? missing()),
});

export const addToSuppressionList = route({
  method: 'post',
  path: '/v1/suppression-lists/{id}/numbers',
  access: 'tenant',
  summary: 'Put numbers on a suppression list: all of them, or none when one is wrong. They hold at once',
  upload,
  status: 201,
  answer: added,
  problems: ['csv_invalid', 'too_many_contacts'],
  async handle({ db, change, tenant, id, upload }) {
    if (!(await findSuppressionListById(db, tenant.id, id))) throw notFound('suppression list');
    const { numbers, rows } = await readNumbers(upload, tenant.default_region);
    return change(async (tx) => {
      const fresh = await addSuppressedNumbers(tx, tenant.id, id, numbers);
      return { added: fresh, duplicates: rows - fresh };
    });
  },
});

export const getSuppressedNumbers = route({
  method: 'get',
  path: '/v1/suppression-lists/{id}/numbers',
  access: 'tenant',
  summary: 'List the numbers of a suppression list',
  query: numberPageQuery,
  answer: listSchema(suppressedNumber),
  async handle({ db, tenant, id, query }) {
    if (!(await findSuppressionListById(db, tenant.id, id))) throw notFound('suppression list');
    const rows = await listSuppressedNumbers(db, tenant.id, id, pageOf(query));
    return listOf(rows, query, (row) => row.number);
  },
});

export const deleteSuppressionListRoute = route({
  method: 'delete',
  path: '/v1/suppression-lists/{id}',
  access: 'tenant',
  summary: 'Delete a suppression list: its numbers may be called again, unless they are on another one',
  status: 204,
  answer: null,
  problems: ['opt_outs_stay'],
  handle: ({ change, tenant, id }) =>
    change(async (tx) => {
      const list = (await findSuppressionListById(tx, tenant.id, id)) ?? missing();
      if (list.opt_outs)
        throw new CampanileError('opt_outs_stay', 'cannot delete the list of those who want no more calls');
      await deleteSuppressionList(tx, tenant.id, id);
    }),
});

export const removeFromSuppressionList = route({
  method: 'delete',
  path: '/v1/suppression-lists/{id}/numbers',
  access: 'tenant',
  summary: 'Take a number off a suppression list',
  query: oneNumber,
  status: 204,
  answer: null,
  handle: ({ change, tenant, id, query }) =>
    change(async (tx) => {
      if (!(await deleteSuppressedNumber(tx, tenant.id, id, query.number)))
        throw notFound('number on this list');
    }),
});

export const removeInstallationNumber = route({
  method: 'delete',
  path: '/v1/installation-suppressions',
  access: 'admin',
  summary: 'Take a number off the list that holds for every tenant',
  query: oneNumber,
  status: 204,
  answer: null,
  problems: ['not_found'],
  handle: ({ change, query }) =>
    change(async (tx) => {
      if (!(await deleteInstallationSuppression(tx, query.number))) throw notFound('number on this list');
    }),
});

export const addInstallationNumbers = route({
  method: 'post',
  path: '/v1/installation-suppressions',
  access: 'admin',
  summary: 'Put numbers (E.164) on the list that holds for every tenant',
  upload,
  status: 201,
  answer: added,
  problems: ['csv_invalid', 'too_many_contacts'],
  async handle({ change, upload }) {
    const { numbers, rows } = await readNumbers(upload, null);
    return change(async (tx) => {
      const fresh = await addInstallationSuppressions(tx, numbers);
      return { added: fresh, duplicates: rows - fresh };
    });
  },
});

export const getInstallationNumbers = route({
  method: 'get',
  path: '/v1/installation-suppressions',
  access: 'admin',
  summary: 'List the numbers that no tenant may call',
  query: numberPageQuery,
  answer: listSchema(suppressedNumber),
  async handle({ pool, query }) {
    const rows = await listInstallationSuppressions(pool, pageOf(query));
    return listOf(rows, query, (row) => row.number);
  },
});

function missing(): never {
  throw notFound('suppression list');
}
