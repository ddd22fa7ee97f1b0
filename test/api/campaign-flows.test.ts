import { describe, expect, it } from 'vitest';
import { fieldsOf } from './client.js';
import { addContacts, createCampaign, createEquipped, flowBody, numbers, unknownId } from './fixtures.js';
import { importing } from './importing.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);

const send = (method: string, path: string, body?: unknown) =>
  api.send(method, path, { token: tenant.token, body });
const say = (text: string) => ({ start: 'greet', steps: { greet: { type: 'say', prompt: [{ text }] } } });
const save = async (text: string): Promise<string> =>
  (await send('POST', '/v1/flows', { name: 'Flow', definition: say(text) })).json.id;
const replace = (id: string, text: string) =>
  send('PUT', `/v1/flows/${id}`, { name: 'Flow', definition: say(text) });
const create = (body: object) =>
  send('POST', '/v1/campaigns', { name: 'Vespers', trunk_ids: [tenant.trunkId], ...body });
const withFlow = (flow_id: string) => createCampaign(api, tenant, { message_id: undefined, flow_id });
const change = (id: string, body: object) => send('PATCH', `/v1/campaigns/${id}`, body);
const show = async (id: string) => (await send('GET', `/v1/campaigns/${id}`)).json;
const act = (id: string, verb: string) => send('POST', `/v1/campaigns/${id}/${verb}`);
const contacts = (id: string, rows: readonly object[]) => send('POST', `/v1/campaigns/${id}/contacts`, rows);

describe('a campaign with a flow', () => {
  it('is a draft without a version, and keeps the newest at its start whatever becomes of the flow', async () => {
    const flow = await save('one');
    await replace(flow, 'two');
    const id = await withFlow(flow);
    expect(await show(id)).toMatchObject({ message_id: null, flow_id: flow, flow_version: null });
    await replace(flow, 'three');
    await addContacts(api, tenant, id, numbers(1));
    expect((await act(id, 'start')).json).toMatchObject({ status: 'running', flow_version: 3 });
    await replace(flow, 'four');
    await act(id, 'pause');
    expect((await act(id, 'resume')).json).toMatchObject({ status: 'running', flow_version: 3 });
  });

  it('has either a flow or a message', async () => {
    expect(fieldsOf((await create({})).json)).toEqual(['/message_id']);
    const both = { message_id: tenant.messageId, flow_id: tenant.flowId };
    expect((await create(both)).json.errors).toEqual([
      { field: '/flow_id', message: 'cannot stand beside message_id: a campaign has one of them' },
    ]);
    expect(fieldsOf((await change(await withFlow(tenant.flowId), both)).json)).toEqual(['/flow_id']);
  });

  it('has no flow of another tenant', async () => {
    const other = await createEquipped(api);
    for (const flow_id of [other.flowId, unknownId]) {
      const reply = await create({ flow_id, trunk_ids: [unknownId] });
      expect(fieldsOf(reply.json)).toEqual(['/trunk_ids/0', '/flow_id']);
    }
  });

  it('has the opt-out key of its flow, and one with a message its own', async () => {
    expect((await create({ message_id: tenant.messageId, opt_out_key: '9' })).json.opt_out_key).toBe('9');
    const reply = await create({ flow_id: tenant.flowId, opt_out_key: '9' });
    expect(reply.json.errors).toEqual([
      { field: '/opt_out_key', message: 'is for a message: set the one in the flow' },
    ]);
    expect(fieldsOf((await create({ message_id: tenant.messageId, opt_out_key: '10' })).json)).toEqual([
      '/opt_out_key',
    ]);
    const id = await createCampaign(api, tenant);
    expect((await change(id, { opt_out_key: '*' })).json.opt_out_key).toBe('*');
    expect((await change(id, { name: 'x' })).json.opt_out_key).toBe('*');
    expect((await change(id, { opt_out_key: null })).json.opt_out_key).toBeNull();
  });

  it('may be given a message instead, and back, until it runs', async () => {
    const id = await createCampaign(api, tenant, { opt_out_key: '9' });
    const flow = { message_id: null, flow_id: tenant.flowId, opt_out_key: null };
    expect((await change(id, { flow_id: tenant.flowId })).json).toMatchObject({
      ...flow,
      flow_version: null,
    });
    const message = { message_id: tenant.messageId, flow_id: null, flow_version: null };
    expect((await change(id, { message_id: tenant.messageId })).json).toMatchObject(message);
    await addContacts(api, tenant, id, numbers(1));
    await act(id, 'start');
    const refused = await change(id, { flow_id: tenant.flowId });
    expect([refused.status, refused.json.code]).toEqual([409, 'campaign_running']);
    expect(await show(id)).toMatchObject(message);
    await act(id, 'pause');
    expect((await change(id, { flow_id: tenant.flowId })).json).toMatchObject({ ...flow, flow_version: 1 });
    await act(id, 'resume');
    expect((await change(id, { message_id: tenant.messageId })).json.code).toBe('campaign_running');
    // What it goes by already is no change.
    expect((await change(id, { flow_id: tenant.flowId, weight: 3 })).status).toBe(200);
  });

  it('takes another version when it is asked to while it is paused', async () => {
    const flow = await save('one');
    const id = await withFlow(flow);
    await addContacts(api, tenant, id, numbers(1));
    expect(fieldsOf((await change(id, { flow_version: 1 })).json)).toEqual(['/flow_version']);
    await act(id, 'start');
    await replace(flow, 'two');
    expect((await change(id, { flow_version: 2 })).json.code).toBe('campaign_running');
    await act(id, 'pause');
    expect((await change(id, { flow_id: flow, name: 'x' })).json.flow_version).toBe(1);
    expect(fieldsOf((await change(id, { flow_version: 3 })).json)).toEqual(['/flow_version']);
    expect((await change(id, { flow_version: 2 })).json.flow_version).toBe(2);
    expect((await change(id, { flow_version: 1 })).json.flow_version).toBe(1);
    const message = await createCampaign(api, tenant);
    expect(fieldsOf((await change(message, { flow_version: 1 })).json)).toEqual(['/flow_version']);
  });

  it('is copied as a draft that will take the newest version', async () => {
    const flow = await save('one');
    const id = await withFlow(flow);
    await addContacts(api, tenant, id, numbers(1));
    await act(id, 'start');
    const copy = (await send('POST', `/v1/campaigns/${id}/copy`, {})).json;
    expect(copy).toMatchObject({ status: 'draft', flow_id: flow, flow_version: null });
  });

  it('is previewed, explained and reported as one with a message', async () => {
    const ring = flowBody(tenant.messageId);
    const flow = (await send('POST', '/v1/flows', ring)).json.id;
    const id = await withFlow(flow);
    await addContacts(api, tenant, id, numbers(3));
    const preview = (await send('GET', `/v1/campaigns/${id}/preview`)).json;
    // Half of 30 s of ringing, and the half second of the message that the flow plays.
    expect(preview).toMatchObject({ will_dial: 3, missing_fields: [], estimate: { seconds_per_call: 15.5 } });
    await act(id, 'start');
    expect((await send('GET', `/v1/campaigns/${id}/why`)).status).toBe(200);
    expect((await send('GET', `/v1/campaigns/${id}/report`)).json).toMatchObject({
      totals: { contacts: { total: 3 }, heard_to_end_ratio: null },
      steps: [],
      answers: [],
    });
  });
});

describe('fields that a flow names', () => {
  const [ada, bob, cleo, dan] = numbers(4).sort() as [string, string, string, string];
  const lacking = 'Dear {name}, of {city|here}, on {date}';

  /** A campaign whose contacts were there before its flow. */
  async function withOldContacts(rows: readonly object[]): Promise<string> {
    const id = await createCampaign(api, tenant);
    expect((await contacts(id, rows)).status).toBe(201);
    await change(id, { flow_id: await save(lacking) });
    return id;
  }

  it('and that contacts lack are told at preview, with how many and whose', async () => {
    const id = await withOldContacts([
      { number: ada, fields: { name: 'Ada', date: 20261201 } },
      { number: bob, fields: { name: ' \u00a0', date: false } },
      { number: cleo, fields: { name: null } },
      { number: dan, fields: {} },
    ]);
    const { missing_fields } = (await send('GET', `/v1/campaigns/${id}/preview`)).json;
    expect(missing_fields).toEqual([
      { field: 'date', contacts: 2, examples: expect.arrayContaining([cleo, dan]) },
      { field: 'name', contacts: 3, examples: expect.arrayContaining([bob, cleo, dan]) },
    ]);
  });

  it('keep it from being started or resumed, until no contact that waits lacks one', async () => {
    const id = await withOldContacts([{ number: ada, fields: { name: 'Ada' } }, { number: bob }]);
    const reply = await act(id, 'start');
    expect([reply.status, reply.json.code]).toEqual([409, 'contacts_lack_fields']);
    expect(reply.json.detail).toContain(
      `2 contacts lack "date" (${ada}, ${bob}); 1 contact lacks "name" (${bob}): name a default`,
    );
    expect(await show(id)).toMatchObject({ status: 'draft', flow_version: null });
    await api.db.pool.query(
      `UPDATE contacts SET fields = '{"name": "x", "date": 1}' WHERE campaign_id = $1`,
      [id],
    );
    expect((await act(id, 'start')).status).toBe(200);
    await act(id, 'pause');
    await change(id, { flow_id: await save('{other}') });
    expect((await act(id, 'resume')).json.code).toBe('contacts_lack_fields');
    await api.db.pool.query(`UPDATE contacts SET state = 'answered' WHERE campaign_id = $1`, [id]);
    expect((await act(id, 'resume')).status).toBe(200);
  });

  it('are asked of every contact that is added', async () => {
    const id = await withFlow(await save(lacking));
    const reply = await contacts(id, [
      { number: ada, fields: { name: 'Ada', date: 1 } },
      { number: bob, fields: { name: '', date: 1 } },
      { number: cleo, fields: { city: 'Rome' } },
    ]);
    expect(reply.json.errors).toEqual(
      ['/1/fields/name', '/2/fields/date', '/2/fields/name'].map((field) => ({
        field,
        message: 'is required: what the campaign says names it without a default',
      })),
    );
    const job = await importing(api, tenant, id).csv(`number,name,date\n${ada},Ada,1\n${bob},,1\n`);
    expect(job).toMatchObject({ rows: 2, rejected: 1 });
    expect((await show(id)).contacts.total).toBe(1);
  });

  it('may be named by a message of text as well', async () => {
    const made = await api.db.pool.query<{ id: string }>(
      `INSERT INTO messages (tenant_id, id, name, text, language) VALUES ($1, uuidv7(), 'Text', 'Dear {title}, of {city|here}', 'en')
        RETURNING id`,
      [tenant.id],
    );
    const message_id = made.rows[0]!.id;
    const definition = { start: 'ring', steps: { ring: { type: 'play', message: message_id } } };
    const flow_id = (await send('POST', '/v1/flows', { name: 'Flow', definition })).json.id;
    for (const said of [{ message_id }, { message_id: undefined, flow_id }]) {
      const id = await createCampaign(api, tenant, said);
      expect(fieldsOf((await contacts(id, [{ number: ada }])).json)).toEqual(['/0/fields/title']);
    }
  });

  it('are not asked for on a list of numbers, nor by a campaign with a message', async () => {
    const id = await createCampaign(api, tenant);
    expect((await contacts(id, [{ number: ada }])).status).toBe(201);
    const list = `/v1/suppression-lists/${tenant.listId}/numbers`;
    expect((await send('POST', list, [bob])).status).toBe(201);
  });
});
