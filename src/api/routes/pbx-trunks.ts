import { listPbxTrunks, upsertPbxTrunk } from '../../db/trunks.js';
import { route } from '../route.js';
import { listOf, listSchema, pageQuery } from '../schemas/common.js';
import { pbxTrunk, pbxTrunkLimits, pbxTrunkName } from '../schemas/trunk.js';

const nameQuery = pageQuery.extend({ after: pbxTrunkName.optional() });

export const getPbxTrunks = route({
  method: 'get',
  path: '/v1/pbx-trunks',
  access: 'admin',
  summary: 'List the ways out of the PBX with the limits that all trunks on them share',
  query: nameQuery,
  answer: listSchema(pbxTrunk),
  async handle({ pool, query }) {
    const rows = await listPbxTrunks(pool, { after: query.after ?? null, limit: query.limit + 1 });
    return listOf(rows, query, (row) => row.name);
  },
});

export const setPbxTrunk = route({
  method: 'put',
  path: '/v1/pbx-trunks/{name}',
  access: 'admin',
  summary: 'Set the limits of a way out of the PBX',
  param: pbxTrunkName,
  body: pbxTrunkLimits,
  answer: pbxTrunk,
  handle: ({ change, id, body }) => change((tx) => upsertPbxTrunk(tx, { name: id, ...body })),
});
