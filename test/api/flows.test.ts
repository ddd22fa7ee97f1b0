import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { VERSIONS_KEPT } from '../../src/db/flows.js';
import { fieldsOf } from './client.js';
import { addContacts, createCampaign, createEquipped, flowBody, numbers, unknownId } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);

const send = (method: string, path: string, body?: unknown) =>
  api.send(method, path, { token: tenant.token, body });
const save = async (definition: object, name = 'Flow') =>
  (await send('POST', '/v1/flows', { name, definition })).json;
const replace = (id: string, definition: object, name = 'Flow') =>
  send('PUT', `/v1/flows/${id}`, { name, definition });
const say = (text: string) => ({ start: 'greet', steps: { greet: { type: 'say', prompt: [{ text }] } } });
const versions = async (id: string) =>
  (await send('GET', `/v1/flows/${id}/versions`)).json.data.map((v: { version: number }) => v.version);

describe('flows', () => {
  it('are saved as they were written, with what was left out, and shown', async () => {
    const steps = {
      zeta: { type: 'menu', prompt: [{ text: 'Dear {name}' }], keys: { 1: 'alpha' }, on_timeout: 'alpha' },
      alpha: { type: 'play', message: tenant.messageId.toUpperCase() },
    };
    const made = await send('POST', '/v1/flows', { name: 'Reminder', definition: { start: 'zeta', steps } });
    expect(made.status).toBe(201);
    expect(made.headers.get('Location')).toBe(`/v1/flows/${made.json.id}`);
    expect(made.json).toEqual({
      id: expect.any(String),
      name: 'Reminder',
      version: 1,
      created_at: expect.any(String),
      updated_at: expect.any(String),
      fields: ['name'],
      definition: {
        start: 'zeta',
        language: 'en',
        opt_out_key: null,
        steps: {
          zeta: { ...steps.zeta, timeout_seconds: 5, repeats: 1 },
          alpha: { type: 'play', message: tenant.messageId, any_key_ends: false },
        },
      },
    });
    const shown = (await send('GET', `/v1/flows/${made.json.id}`)).json;
    expect(shown).toEqual(made.json);
    expect(Object.keys(shown.definition.steps)).toEqual(['zeta', 'alpha']);
    const { definition, fields, ...entry } = shown;
    expect((await send('GET', '/v1/flows?limit=1000')).json.data).toContainEqual(entry);
  });

  it('get a version with each change, and none without', async () => {
    const { id } = await save(say('one'));
    expect((await replace(id, say('two'), 'Changed')).json).toMatchObject({
      version: 2,
      name: 'Changed',
      definition: { steps: { greet: { prompt: [{ text: 'two' }] } } },
    });
    expect((await replace(id, say('two'), 'Named')).json).toMatchObject({ version: 2, name: 'Named' });
    expect((await send('GET', `/v1/flows/${id}?version=1`)).json).toMatchObject({
      version: 1,
      definition: { steps: { greet: { prompt: [{ text: 'one' }] } } },
    });
    expect((await send('GET', `/v1/flows/${id}?version=3`)).status).toBe(404);
    expect((await send('GET', `/v1/flows/${id}?version=4930100001`)).status).toBe(422);
    expect(await versions(id)).toEqual([2, 1]);
    expect((await replace(unknownId, say('x'))).status).toBe(404);
  });

  it('keep so many old versions, and those that campaigns were or are called with', async () => {
    const { id } = await save(say('one'));
    const campaign = await createCampaign(api, tenant, { message_id: undefined, flow_id: id });
    await addContacts(api, tenant, campaign, numbers(1));
    await send('POST', `/v1/campaigns/${campaign}/start`);
    for (let i = 2; i <= VERSIONS_KEPT + 2; i++) await replace(id, say(`text ${i}`));
    const newest = VERSIONS_KEPT + 2;
    expect(await versions(id)).toEqual([...Array.from({ length: VERSIONS_KEPT }, (_, i) => newest - i), 1]);
    const list = (await send('GET', `/v1/flows/${id}/versions`)).json.data;
    expect([list.at(-1).campaigns, list[0].campaigns]).toEqual([1, 0]);
    await send('POST', `/v1/campaigns/${campaign}/cancel`);
    await replace(id, say('last'));
    expect(await versions(id)).toContain(1);
    expect((await send('GET', `/v1/flows/${id}?version=1`)).status).toBe(200);
  });

  it('are refused with all that is wrong, each with its place', async () => {
    const definition = {
      start: 'greet',
      opt_out_key: '1',
      steps: {
        greet: { type: 'menu', prompt: [{ message: unknownId }], keys: { 1: 'gone' } },
        staff: { type: 'transfer', destination: unknownId },
      },
    };
    for (const path of ['/v1/flows', '/v1/flows/check']) {
      const reply = await send('POST', path, { name: 'Wrong', definition });
      expect(reply.status).toBe(422);
      expect(reply.json.errors).toEqual([
        {
          field: '/definition/steps/greet/keys/1',
          message: 'names the step gone, which there is not: add it, or name another',
        },
        {
          field: '/definition/steps/staff',
          message: 'is never reached: let another step lead to it, or take it out',
        },
        {
          field: '/definition/steps/greet/keys/1',
          message:
            'is the opt-out key, which ends the call at any time: take another key, or another opt_out_key',
        },
        { field: '/definition/steps/greet/prompt/0/message', message: 'is no message' },
        { field: '/definition/steps/staff/destination', message: 'is no transfer destination' },
      ]);
    }
    const { id } = await save(say('x'));
    expect((await replace(id, definition)).status).toBe(422);
    expect((await send('GET', `/v1/flows/${id}`)).json.version).toBe(1);
  });

  it('are refused with the message of another tenant', async () => {
    const other = await createEquipped(api);
    const reply = await send('POST', '/v1/flows', flowBody(other.messageId));
    expect(fieldsOf(reply.json)).toEqual(['/definition/steps/ring/message']);
  });

  it('are refused where a member stands twice, which JSON.parse does not tell', async () => {
    const body = `{"name": "Twice", "definition": {"start": "ask", "steps": {"ask": {"type": "menu", "prompt": [{"text": "x"}],
      "keys": {"1": "bye", "2": "bye", "1": "ask"}}, "bye": {"type": "hangup"}}}}`;
    for (const path of ['/v1/flows', '/v1/flows/check']) {
      const reply = await api.send('POST', path, { token: tenant.token, body, type: 'application/json' });
      expect(reply.json.errors).toEqual([
        { field: '/definition/steps/ask/keys/1', message: 'stands here twice: keep one of them' },
      ]);
    }
  });

  it('are refused with what cannot be stored, and when they are too large', async () => {
    for (const text of ['a\0b', 'half \ud83d']) {
      const reply = await send('POST', '/v1/flows', { name: 'x', definition: say(text) });
      expect(fieldsOf(reply.json)).toEqual(['/definition/steps/greet/prompt/0/text']);
    }
    const branch = { type: 'branch', value: 'x', cases: { 'a\0': 'one' } };
    const reply = await send('POST', '/v1/flows', {
      name: 'x',
      definition: { start: 'one', steps: { one: branch } },
    });
    expect(fieldsOf(reply.json)).toContain('/definition/steps/one/cases');
    const prompt = Array.from({ length: 20 }, () => ({ text: 'x'.repeat(2000) }));
    const names = ['a', 'b', 'c', 'd'];
    const steps = Object.fromEntries(
      names.map((name, i) => [name, { type: 'say', prompt, next: names[i + 1] }]),
    );
    const large = await send('POST', '/v1/flows', { name: 'x', definition: { start: 'a', steps } });
    expect(large.json.errors).toMatchObject([
      { field: '/definition', message: expect.stringContaining('may have 100000') },
    ]);
  });

  it('are checked without being saved, and tell what contacts need', async () => {
    const before = (await send('GET', '/v1/flows?limit=1000')).json.data.length;
    const reply = await send('POST', '/v1/flows/check', { name: 'x', definition: say('{a} {b|none} {c}') });
    expect([reply.status, reply.json]).toEqual([200, { fields: ['a', 'c'] }]);
    expect((await send('GET', '/v1/flows?limit=1000')).json.data).toHaveLength(before);
  });

  it('come in pages', async () => {
    const first = (await send('GET', '/v1/flows?limit=1')).json;
    const second = (await send('GET', `/v1/flows?limit=1&after=${first.next}`)).json;
    expect(second.data[0].id > first.data[0].id).toBe(true);
  });
});

describe('deleting a flow', () => {
  const remove = (id: string) => send('DELETE', `/v1/flows/${id}`);
  const rows = async (id: string) =>
    (await api.db.pool.query('SELECT version FROM flow_versions WHERE flow_id = $1', [id])).rows.length;
  const withFlow = (flow_id: string, more: object = {}) =>
    createCampaign(api, tenant, { message_id: undefined, flow_id, ...more });

  it('takes one that nobody uses away for good', async () => {
    const { id } = await save(say('x'));
    expect((await remove(id)).status).toBe(204);
    for (const path of ['', '/versions', '?version=1'])
      expect((await send('GET', `/v1/flows/${id}${path}`)).status).toBe(404);
    expect((await remove(id)).status).toBe(404);
    expect((await replace(id, say('y'))).status).toBe(404);
    expect(await rows(id)).toBe(0);
  });

  it.each(['draft', 'running', 'paused'])(
    'is refused while a campaign that is %s uses it',
    async (status) => {
      const { id } = await save(say('x'));
      const campaign = await withFlow(id, { name: 'Vespers' });
      await api.db.pool.query('UPDATE campaigns SET status = $2 WHERE id = $1', [campaign, status]);
      const reply = await remove(id);
      expect([reply.status, reply.json.code]).toEqual([409, 'flow_in_use']);
      expect(reply.json.detail).toContain(`"Vespers" (${campaign})`);
      expect((await send('GET', `/v1/flows/${id}`)).status).toBe(200);
    },
  );

  it('hides one that campaigns which have ended used, until the last of them is deleted', async () => {
    const { id } = await save(say('x'));
    const campaigns = [await withFlow(id), await withFlow(id)];
    for (const campaign of campaigns) {
      await addContacts(api, tenant, campaign, numbers(1));
      await send('POST', `/v1/campaigns/${campaign}/start`);
      await send('POST', `/v1/campaigns/${campaign}/cancel`);
    }
    expect((await remove(id)).status).toBe(204);
    expect((await send('GET', `/v1/flows/${id}`)).status).toBe(404);
    const list = (await send('GET', '/v1/flows?limit=1000')).json.data;
    expect(list.map((entry: { id: string }) => entry.id)).not.toContain(id);
    expect((await send('GET', `/v1/campaigns/${campaigns[0]}`)).json).toMatchObject({
      flow_id: id,
      flow_version: 1,
    });
    expect((await send('GET', `/v1/campaigns/${campaigns[0]}/report`)).status).toBe(200);
    const copy = await send('POST', `/v1/campaigns/${campaigns[0]}/copy`, {});
    expect([copy.status, copy.json.code]).toEqual([409, 'flow_deleted']);
    const other = await send('POST', '/v1/campaigns', {
      name: 'x',
      trunk_ids: [tenant.trunkId],
      flow_id: id,
    });
    expect(fieldsOf(other.json)).toEqual(['/flow_id']);
    await send('DELETE', `/v1/campaigns/${campaigns[0]}`);
    expect(await rows(id)).toBe(1);
    await send('DELETE', `/v1/campaigns/${campaigns[1]}`);
    expect(await rows(id)).toBe(0);
  });

  it('and giving it to a campaign at once leaves one of both', async () => {
    for (let i = 0; i < 10; i++) {
      const { id } = await save(say('x'));
      const body = { name: 'Race', trunk_ids: [tenant.trunkId], flow_id: id };
      const [removed, made] = await Promise.all([remove(id), send('POST', '/v1/campaigns', body)]);
      expect([
        [204, 422],
        [409, 201],
      ]).toContainEqual([removed.status, made.status]);
    }
  });
});

describe('the flows in the documents', () => {
  let files: string[];
  beforeAll(async () => {
    files = (await readdir('docs/flows')).filter((file) => file.endsWith('.json'));
  });

  it('can be saved as they are, apart from the destination of a transfer', async () => {
    expect(files.length).toBeGreaterThanOrEqual(5);
    for (const file of files) {
      const reply = await api.send('POST', '/v1/flows', {
        token: tenant.token,
        body: await readFile(`docs/flows/${file}`, 'utf8'),
      });
      if (file.startsWith('press-1')) {
        expect(reply.json.errors, file).toMatchObject([{ message: 'is no transfer destination' }]);
      } else expect([file, reply.status, reply.json.errors]).toEqual([file, 201, undefined]);
    }
  });
});
