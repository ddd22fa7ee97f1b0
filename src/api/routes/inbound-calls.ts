import { listInboundCalls } from '../../db/inbound-calls.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery, uuid } from '../schemas/common.js';
import { inboundCall } from '../schemas/inbound-call.js';

export const getInboundCalls = route({
  method: 'get',
  path: '/v1/inbound-calls',
  access: 'tenant',
  summary: 'List the calls back to campaigns’ caller ids, the newest last',
  query: pageQuery.extend({ campaign_id: uuid.optional() }),
  answer: listSchema(inboundCall),
  async handle({ db, tenant, query }) {
    const rows = await listInboundCalls(db, tenant.id, query.campaign_id ?? null, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});
