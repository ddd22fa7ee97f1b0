import { findApiKeyById, insertApiKey, listApiKeys, revokeApiKey } from '../../db/api-keys.js';
import { newId } from '../../ids.js';
import { newApiKey } from '../api-key.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { apiKey, createdApiKey, newApiKeyBody } from '../schemas/api-key.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';

const keyRefusal =
  "an API key may not make or revoke keys: use a tenant's token, or who has one leaked key could keep himself in with " +
  'another';

export const createApiKey = route({
  method: 'post',
  path: '/v1/api-keys',
  access: 'tenant',
  keyRefusal,
  summary: 'Make an API key; the answer alone shows it',
  body: newApiKeyBody,
  status: 201,
  answer: createdApiKey,
  handle({ change, tenant, body }) {
    const { key, prefix, sha256 } = newApiKey();
    return change(async (tx) => {
      const made = await insertApiKey(tx, tenant.id, { id: newId(), ...body, prefix, sha256 });
      return { ...made, key };
    });
  },
});

export const getApiKeys = route({
  method: 'get',
  path: '/v1/api-keys',
  access: 'tenant',
  summary: 'List the API keys, revoked ones too',
  query: pageQuery,
  answer: listSchema(apiKey),
  async handle({ db, tenant, query }) {
    const rows = await listApiKeys(db, tenant.id, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getApiKey = route({
  method: 'get',
  path: '/v1/api-keys/{id}',
  access: 'tenant',
  summary: 'Show an API key, but not the key itself',
  answer: apiKey,
  async handle({ db, tenant, id }) {
    const found = await findApiKeyById(db, tenant.id, id);
    if (!found) throw notFound('API key');
    return found;
  },
});

export const deleteApiKey = route({
  method: 'delete',
  path: '/v1/api-keys/{id}',
  access: 'tenant',
  keyRefusal,
  summary: 'Revoke an API key: requests with it are refused from now on',
  status: 204,
  answer: null,
  handle: ({ change, tenant, id }) =>
    change(async (tx) => {
      if (!(await revokeApiKey(tx, tenant.id, id))) throw notFound('API key');
    }),
});
