import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_SPEECH } from '../../src/api/speech.js';
import { parseWav } from '../../src/messages/wav.js';
import { type ApiFixture, fieldsOf, startApi } from './client.js';
import {
  createCampaign,
  createEquipped,
  createTenant,
  flowBody,
  numbers,
  type TenantOnApi,
} from './fixtures.js';
import { useApi } from './use.js';

let tenant: TenantOnApi;
const api = useApi();
beforeAll(async () => {
  tenant = await createTenant(api, { time_zone: 'Europe/Berlin' });
});

const TEXT = 'Dear {first_name|neighbour}, your appointment is on {date:date} at {time:time}.';
const post = (body: object, path = '/v1/messages') => api.send('POST', path, { token: tenant.token, body });
const make = (more: object = {}) => post({ name: 'Reminder', text: TEXT, language: 'en', ...more });
const hear = (id: string, query = '') =>
  api.send('GET', `/v1/messages/${id}/audio${query}`, { token: tenant.token });
const withFields = (fields: unknown) => `?fields=${encodeURIComponent(JSON.stringify(fields))}`;

describe('voices', () => {
  it('are those of the engine', async () => {
    const { json } = await api.send('GET', '/v1/voices', { token: tenant.token });
    expect(json.engine).toBe('espeak-ng');
    expect(json.languages).toContainEqual({ language: 'it', name: 'Italian' });
    expect(json.voices).toContainEqual({ voice: 'f3', name: 'female3', gender: 'female' });
  });
});

describe('a message of text', () => {
  it('is kept as it is, with the fields that a contact must have', async () => {
    const made = await make({ voice: 'f3' });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      ...{ name: 'Reminder', text: TEXT, language: 'en', voice: 'f3', fields: ['date', 'time'] },
      ...{ sha256: null, seconds: null, bytes: null },
    });
    const { token } = tenant;
    expect((await api.send('GET', `/v1/messages/${made.json.id}`, { token })).json).toEqual(made.json);
    expect((await api.send('GET', '/v1/messages', { token })).json.data).toContainEqual(made.json);
  });

  it('is played with the fields that one gives', async () => {
    const { id } = (await make()).json;
    const short = await hear(id, withFields({ date: '2026-11-25', time: '14:30' }));
    expect(short.headers.get('Content-Type')).toBe('audio/wav');
    const long = await hear(
      id,
      withFields({ first_name: 'Maximiliana Eugenia', date: '2026-11-25', time: '14:30' }),
    );
    expect(parseWav(short.bytes).seconds).toBeGreaterThan(2);
    expect(parseWav(long.bytes).seconds).toBeGreaterThan(parseWav(short.bytes).seconds + 0.5);
  });

  it('tells times that name an offset by the tenant’s clock', async () => {
    const { id } = (await make({ text: '{at:time}' })).json;
    const [utc, local] = await Promise.all([
      hear(id, withFields({ at: '2026-11-25T13:30:00Z' })),
      hear(id, withFields({ at: '14:30' })),
    ]);
    expect(utc.bytes).toEqual(local.bytes);
  });

  it.each([
    ['', 'the field "date" is missing'],
    [withFields({ date: 'soon' }), 'the field "date" holds "soon": for date it must be a day such as'],
    [withFields({ date: '2026-11-25' }), 'the field "time" is missing'],
    [withFields([]), 'expected record'],
    ['?fields={', 'must be a JSON object'],
  ])('says what is wrong with the fields %s', async (query, why) => {
    const { id } = (await make()).json;
    const { status, json } = await hear(id, query);
    expect([status, json.code, json.errors[0].field]).toEqual([422, 'fields_invalid', '?fields']);
    expect(json.errors[0].message).toContain(why);
  });

  it.each([
    [{ text: 'Dear {first name' }, '/text', 'a "{" has no other'],
    [{ text: '{date:day}' }, '/text', 'has no format that is known'],
    [{ text: 'a\u0007b' }, '/text', 'control characters'],
    [{ text: ' ' }, '/text', 'blank'],
    [{ text: 'x'.repeat(2001) }, '/text', '2000'],
    [{ language: 'tlh' }, '/language', 'espeak-ng does not speak tlh: see GET /v1/voices'],
    [{ language: 'English' }, '/language', 'must be a language such as en'],
    [{ language: '../x' }, '/language', 'must be a language such as en'],
    [{ voice: 'nobody' }, '/voice', 'espeak-ng has no voice nobody'],
    [{ voice: '-w' }, '/voice', 'must be a voice'],
    [{ seconds: 3 }, '/seconds', 'is not known'],
  ])('is refused with %j', async (more, field, why) => {
    const { status, json } = await make(more);
    expect([status, json.code]).toEqual([422, 'fields_invalid']);
    expect(json.errors).toContainEqual({ field, message: expect.stringContaining(why) });
  });

  it('has its name in the document, and audio has it in the query', async () => {
    const text = { name: 'A', text: 'Hello', language: 'en' };
    expect((await post(text, '/v1/messages?name=B')).json.errors[0].field).toBe('?name');
    const audio = { token: tenant.token, body: Buffer.from('x'), type: 'audio/wav' };
    expect((await api.send('POST', '/v1/messages', audio)).json.errors[0].field).toBe('?name');
  });
});

describe('the preview of a campaign that speaks', () => {
  it('tells to whom nothing can be said, and why, and contacts tell it too', async () => {
    const owner = await createEquipped(api);
    const send = (method: string, path: string, body?: object) =>
      api.send(method, path, { token: owner.token, body });
    const message = await send('POST', '/v1/messages', {
      name: 'R',
      text: 'On {date:date}, {name}',
      language: 'en',
    });
    const id = await createCampaign(api, owner, { message_id: message.json.id });
    const fields = [
      { name: 'Ada', date: '2026-11-25' },
      { name: 'Bob', date: 'soon' },
      { name: 'Cid', date: '2026-02-30' },
    ];
    const contacts = fields.map((some, i) => ({ number: numbers(3)[i], fields: some }));
    await send('POST', `/v1/campaigns/${id}/contacts`, contacts);
    const { json } = await send('GET', `/v1/campaigns/${id}/preview`);
    expect(json).toMatchObject({ will_dial: 1, skipped: { unspeakable: 2 }, speech: { checked: 3 } });
    const problem = 'the field "date" cannot be read: for date it must be a day such as 2026-11-25';
    expect(json.speech.problems).toEqual([{ problem, contacts: 2 }]);
    await api.db.pool.query(
      `UPDATE contacts SET held_for = 'speech', problem = 'no licence', due_at = now() + interval '1 hour'
        WHERE campaign_id = $1 AND number = $2`,
      [id, numbers(1)[0]],
    );
    const { data } = (await send('GET', `/v1/campaigns/${id}/contacts`)).json;
    expect(data).toContainEqual(expect.objectContaining({ held_for: 'speech', problem: 'no licence' }));
    await send('POST', `/v1/campaigns/${id}/start`);
    const why = await send('GET', `/v1/campaigns/${id}/why`);
    expect(why.json.reasons).toContainEqual({
      code: 'speech',
      text: expect.stringContaining(
        '1 contact: their text could not be spoken (no licence); to be called again',
      ),
    });
  });
});

describe('a flow that speaks', () => {
  const flow = (part: object) => ({
    ...flowBody('', 'Speaks'),
    definition: { start: 'a', steps: { a: { type: 'say', prompt: [part] } } },
  });

  it('is saved where the engine has its languages and voices', async () => {
    const made = await post(flow({ text: 'Hallo {name}', language: 'de', voice: 'm1' }), '/v1/flows');
    expect(made.status).toBe(201);
  });

  it('is refused where not', async () => {
    const { status, json } = await post(flow({ text: 'x', language: 'tlh', voice: 'nobody' }), '/v1/flows');
    expect(status).toBe(422);
    expect(fieldsOf(json)).toEqual([
      '/definition/steps/a/prompt/0/language',
      '/definition/steps/a/prompt/0/voice',
    ]);
  });

  it('is refused where a text of it cannot be read', async () => {
    const { json } = await post(flow({ text: 'Hello {name' }), '/v1/flows');
    expect(json.errors).toEqual([
      { field: '/definition/steps/a/prompt/0/text', message: expect.stringContaining('a "{" has no other') },
    ]);
  });
});

describe('without an engine', () => {
  let bare: ApiFixture;
  let own: TenantOnApi;
  beforeAll(async () => {
    bare = await startApi({ speech: NO_SPEECH });
    own = await createTenant(bare);
  });
  afterAll(() => bare.stop());

  it('says so, and what to do', async () => {
    const { status, json } = await bare.send('GET', '/v1/voices', { token: own.token });
    expect([status, json.code]).toEqual([503, 'speech_missing']);
  });
});
