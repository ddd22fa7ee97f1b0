import { neededFields } from '../../calls/flow/texts.js';
import {
  deleteFlow,
  type Flow,
  findFlowById,
  insertFlow,
  listFlows,
  listFlowVersions,
  lockFlow,
  replaceFlow,
} from '../../db/flows.js';
import { newId } from '../../ids.js';
import { checkDefinition } from '../flow-check.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { flow, flowCheck, flowEntry, flowQuery, flowVersions, newFlow } from '../schemas/flow.js';
import { checkFlowVoices } from '../speech.js';

export const createFlow = route({
  method: 'post',
  path: '/v1/flows',
  access: 'tenant',
  summary: 'Save a call flow: what a call does once it is answered',
  body: newFlow,
  status: 201,
  answer: flow,
  problems: ['speech_missing', 'speech_failed'],
  async handle({ change, tenant, body, upload, speech }) {
    await checkFlowVoices(body.definition, speech);
    return change(async (tx) => {
      await checkDefinition(tx, tenant.id, body.definition, upload.bytes);
      return showFlow(await insertFlow(tx, tenant.id, { id: newId(), ...body }));
    });
  },
});

export const checkFlowRoute = route({
  method: 'post',
  path: '/v1/flows/check',
  access: 'tenant',
  summary: 'Check a call flow without saving it: what saving would refuse is refused',
  body: newFlow,
  answer: flowCheck,
  problems: ['speech_missing', 'speech_failed'],
  async handle({ change, tenant, body, upload, speech }) {
    await checkFlowVoices(body.definition, speech);
    return change(async (tx) => {
      await checkDefinition(tx, tenant.id, body.definition, upload.bytes);
      return { fields: neededFields(body.definition) };
    });
  },
});

export const getFlows = route({
  method: 'get',
  path: '/v1/flows',
  access: 'tenant',
  summary: 'List the call flows',
  query: pageQuery,
  answer: listSchema(flowEntry),
  async handle({ db, tenant, query }) {
    const rows = await listFlows(db, tenant.id, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getFlow = route({
  method: 'get',
  path: '/v1/flows/{id}',
  access: 'tenant',
  summary: 'Show a call flow, in its newest version or in an older one',
  query: flowQuery,
  answer: flow,
  async handle({ db, tenant, id, query }) {
    const found = await findFlowById(db, tenant.id, id, query.version ?? null);
    if (!found) throw notFound(query.version === undefined ? 'flow' : 'version of a flow');
    return showFlow(found);
  },
});

export const replaceFlowRoute = route({
  method: 'put',
  path: '/v1/flows/{id}',
  access: 'tenant',
  summary: 'Change a call flow: a new version, for campaigns that are started from now on',
  body: newFlow,
  answer: flow,
  problems: ['speech_missing', 'speech_failed'],
  async handle({ change, tenant, id, body, upload, speech }) {
    await checkFlowVoices(body.definition, speech);
    return change(async (tx) => {
      const found = await lockFlow(tx, tenant.id, id);
      if (!found) throw notFound('flow');
      await checkDefinition(tx, tenant.id, body.definition, upload.bytes);
      return showFlow(await replaceFlow(tx, tenant.id, found, body));
    });
  },
});

export const deleteFlowRoute = route({
  method: 'delete',
  path: '/v1/flows/{id}',
  access: 'tenant',
  summary: 'Delete a call flow that no campaign uses which has not ended',
  status: 204,
  answer: null,
  problems: ['flow_in_use'],
  async handle({ change, tenant, id }) {
    await change(async (tx) => {
      if (!(await deleteFlow(tx, tenant.id, id))) throw notFound('flow');
    });
  },
});

export const getFlowVersions = route({
  method: 'get',
  path: '/v1/flows/{id}/versions',
  access: 'tenant',
  summary: 'List the versions of a call flow that are kept, the newest first',
  answer: flowVersions,
  async handle({ db, tenant, id }) {
    if (!(await findFlowById(db, tenant.id, id))) throw notFound('flow');
    return { data: await listFlowVersions(db, tenant.id, id) };
  },
});

function showFlow(found: Flow) {
  return { ...found, fields: neededFields(found.definition) };
}
