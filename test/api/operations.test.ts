import { beforeAll, describe, expect, it } from 'vitest';
import { routes } from '../../src/api/routes.js';
import { adminToken } from './client.js';
import {
  addContacts,
  createCampaign,
  createImport,
  createTry,
  insertAttempt,
  insertInboundCall,
  numbers,
} from './fixtures.js';
import { validRequest } from './requests.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const owner = useTenant(api);
let campaign: string;
let importId: string;
let attemptId: string;
let tryId: string;
beforeAll(async () => {
  campaign = await createCampaign(api, owner);
  await addContacts(api, owner, campaign, numbers(3));
  ({ attemptId } = await insertAttempt(api, owner, campaign));
  importId = await createImport(api, owner, campaign);
  tryId = await createTry(api, owner);
  await insertInboundCall(api, owner, campaign);
  const admin = { token: adminToken };
  await api.send('PUT', '/v1/pbx-trunks/carrier1', { ...admin, body: { ports: 9, calls_per_second: null } });
  await api.send('POST', '/v1/installation-suppressions', { ...admin, body: numbers(1, 700) });
  await api.send('POST', '/v1/installation-erasures', { ...admin, body: { number: numbers(1, 701)[0] } });
});

const reading = routes.filter(({ method }) => method === 'get');

// Whatever changes something is driven by changes.test.ts.
describe('every operation that reads', () => {
  it.each(reading.map((route) => ({ name: route.path, route })))(
    'answers what its schema says: $name',
    async ({ route }) => {
      const { path, sent } = validRequest(route, {
        campaign,
        owner,
        import: importId,
        attempt: attemptId,
        try: tryId,
      });
      const isAdmins = route.access === 'admin' || route.access === 'admin_for_tenant';
      const address = path.replace('{file}', 'start.js') + (path.endsWith('/events') ? '?follow=false' : '');
      const token = route.access === 'public' ? {} : { token: isAdmins ? adminToken : owner.token };
      const reply = await api.send('GET', address, { ...sent, ...token });
      // That of a list that holds something says more than that of an empty one.
      expect(reply.status).toBe(200);
      if (Array.isArray(reply.json?.data)) expect(reply.json.data.length, route.path).toBeGreaterThan(0);
    },
  );
});
