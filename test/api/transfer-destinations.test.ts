import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/ids.js';
import { adminToken } from './client.js';
import { addContacts, createCampaign, numbers, unknownId } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);
const other = useTenant(api);
const PATH = '/v1/transfer-destinations';
const desk = { name: 'Desk', kind: 'number', target: '+4930123499', ports: 3 };
const frontdesk = { name: 'Front desk', kind: 'extension', target: 'frontdesk', ports: 2 };

const send = (method: string, path: string, body?: object, token = tenant.token) =>
  api.send(method, path, { token, ...(body ? { body } : {}) });
const asAdmin = (method: string, path: string, body?: object) =>
  send(method, `${path}?tenant_id=${tenant.id}`, body, adminToken);

describe('a transfer destination', () => {
  it('that is a number is made, changed and deleted by the tenant', async () => {
    const made = await send('POST', PATH, desk);
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({ ...desk, trunk_id: null, ports_in_use: 0 });
    const path = `${PATH}/${made.json.id}`;
    const changes = { target: '+4930123498', trunk_id: tenant.trunkId, ports: 0 };
    expect((await send('PATCH', path, changes)).json).toMatchObject({ ...changes, name: 'Desk' });
    expect((await send('GET', path)).json).toMatchObject(changes);
    expect((await send('DELETE', path)).status).toBe(204);
    expect((await send('GET', path)).status).toBe(404);
  });

  it.each([
    [{ ...desk, target: '0301234' }, '/target'],
    [{ ...desk, target: '+49301234,30,m' }, '/target'],
    [{ ...desk, trunk_id: unknownId }, '/trunk_id'],
    [{ ...desk, ports: -1 }, '/ports'],
    [{ ...desk, kind: 'sip' }, '/kind'],
  ])('is refused as %j', async (body, field) => {
    const reply = await send('POST', PATH, body);
    expect(reply.status).toBe(422);
    expect(reply.json.errors).toMatchObject([{ field }]);
  });

  it('takes no trunk of another tenant', async () => {
    const reply = await send('POST', PATH, { ...desk, trunk_id: other.trunkId });
    expect(reply.json.errors).toMatchObject([{ field: '/trunk_id', message: 'is no trunk' }]);
  });

  it('on the PBX is for an admin to set, by a name that no dialplan reads as its own', async () => {
    expect((await send('POST', PATH, frontdesk)).json).toMatchObject({ code: 'forbidden' });
    const made = await asAdmin('POST', PATH, frontdesk);
    expect(made.json).toMatchObject({ ...frontdesk, trunk_id: null });
    const path = `${PATH}/${made.json.id}`;
    expect((await send('GET', path)).json).toMatchObject(frontdesk);
    expect((await send('PATCH', path, { ports: 9 })).status).toBe(403);
    expect((await send('DELETE', path)).status).toBe(403);
    for (const target of ['front desk', 'a@other', 'a/n', 'a&b', 'a,30', '$X', 'a b', '']) {
      for (const kind of ['extension', 'queue'])
        expect((await asAdmin('POST', PATH, { ...frontdesk, kind, target })).status).toBe(422);
      expect((await asAdmin('PATCH', path, { target })).status).toBe(422);
    }
    expect((await asAdmin('PATCH', path, { trunk_id: tenant.trunkId })).status).toBe(422);
    expect((await asAdmin('PATCH', path, { target: 'back' })).json).toMatchObject({ target: 'back' });
    expect((await asAdmin('DELETE', path)).status).toBe(204);
  });

  it('on the PBX cannot be written by a tenant’s own statements either', async () => {
    const { pool } = api.db;
    const { asTenant } = await import('../../src/db/pool.js');
    const insert = (kind: string) =>
      asTenant(pool, tenant.id).query(
        `INSERT INTO transfer_destinations (tenant_id, id, name, kind, target, ports) VALUES ($1, $2, 'x', $3, 'x', 1)`,
        [tenant.id, newId(), kind],
      );
    await expect(insert('extension')).rejects.toThrow('row-level security');
    await expect(insert('queue')).rejects.toThrow('row-level security');
    await expect(insert('number')).rejects.toThrow('target_by_kind');
  });

  it('keeps the trunk that it is dialled over', async () => {
    const trunk = await asAdmin('POST', '/v1/trunks', {
      ...{ name: 'Second', template: 'direct', pbx_trunk: 'carrier1', ports: 5 },
    });
    const made = await send('POST', PATH, { ...desk, trunk_id: trunk.json.id });
    const refused = await asAdmin('DELETE', `/v1/trunks/${trunk.json.id}`);
    expect(refused.json).toMatchObject({ status: 409, code: 'trunk_in_use' });
    await send('DELETE', `${PATH}/${made.json.id}`);
    expect((await asAdmin('DELETE', `/v1/trunks/${trunk.json.id}`)).status).toBe(204);
  });
});

describe('a flow that transfers', () => {
  let destination: string;
  let flow: string;
  let campaign: string;

  const body = (id: string) => ({
    name: 'To staff',
    definition: { start: 'pass_on', steps: { pass_on: { type: 'transfer', destination: id } } },
  });
  beforeAll(async () => {
    // One of the PBX: a campaign of the tenant's holds on to it all the same.
    destination = (await asAdmin('POST', PATH, frontdesk)).json.id;
    flow = (await send('POST', '/v1/flows', body(destination))).json.id;
    campaign = await createCampaign(api, tenant, { message_id: undefined, flow_id: flow });
    await addContacts(api, tenant, campaign, numbers(2));
  });

  it('is saved with destinations of the tenant only', async () => {
    for (const id of [unknownId, other.destinationId]) {
      const reply = await send('POST', '/v1/flows', body(id));
      expect(reply.status).toBe(422);
      expect(reply.json.errors).toMatchObject([{ message: 'is no transfer destination' }]);
    }
  });

  it('keeps its destination while a campaign goes by it, and no campaign starts without', async () => {
    const refused = await asAdmin('DELETE', `${PATH}/${destination}`);
    expect(refused.json).toMatchObject({ status: 409, code: 'destination_in_use' });
    expect(refused.json.detail).toContain(campaign);
    await api.db.pool.query(`DELETE FROM transfer_destinations WHERE id = $1`, [destination]);
    const start = await send('POST', `/v1/campaigns/${campaign}/start`);
    expect(start.json).toMatchObject({ status: 409, code: 'destination_missing' });
    const again = (await asAdmin('POST', PATH, frontdesk)).json.id;
    await send('PUT', `/v1/flows/${flow}`, body(again));
    expect((await send('POST', `/v1/campaigns/${campaign}/start`)).status).toBe(200);
    await send('POST', `/v1/campaigns/${campaign}/cancel`);
    expect((await asAdmin('DELETE', `${PATH}/${again}`)).status).toBe(204);
  });
});
