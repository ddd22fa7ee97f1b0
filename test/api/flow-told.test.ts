import { beforeEach, describe, expect, it } from 'vitest';
import type { Answers, Happened } from '../../src/calls/flow/happened.js';
import { relayAll } from '../support/relay.js';
import { addContacts, createCampaign, createEquipped, insertAttempt, numbers } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);
let id: string;

const at = '2026-11-22T09:00:00.000Z';
const said: Happened[] = [
  {
    at,
    step: 'ask',
    type: 'menu',
    heard_seconds: 4.5,
    pressed: [
      { at, key: '7' },
      { at, key: '1' },
    ],
    outcome: 'answered',
  },
  {
    at,
    step: 'code',
    type: 'collect',
    heard_seconds: 2,
    pressed: [
      { at, key: '4' },
      { at, key: '2' },
    ],
    digits: '42',
    outcome: 'answered',
  },
  { at, step: 'bye', type: 'hangup' },
];
const kept: Answers = { reply: '1', code: '42' };

beforeEach(async () => {
  id = await createCampaign(api, tenant, { message_id: undefined, flow_id: tenant.flowId });
});

const send = (method: string, path: string, body?: unknown) =>
  api.send(method, path, { token: tenant.token, body });

/** An attempt in which that was said, or one that nobody answered. */
async function call(
  number: string,
  steps: Happened[] | null,
  answers: Answers | null = null,
): Promise<string> {
  await addContacts(api, tenant, id, [number]);
  const { attemptId } = await insertAttempt(api, tenant, id);
  await api.db.pool.query(
    `UPDATE attempts SET state = 'ended', disposition = $2, ended_at = now(), steps = $3, answers = $4 WHERE id = $1`,
    [
      attemptId,
      steps ? 'answered' : 'busy',
      steps && JSON.stringify(steps),
      answers && JSON.stringify(answers),
    ],
  );
  return attemptId;
}

const events = async () => {
  await relayAll(api.db.pool);
  const { rows } = await api.db.pool.query<{ items: Record<string, unknown>[] }>(
    `SELECT items FROM events WHERE type = 'attempt.ended' AND campaign_id = $1 ORDER BY position`,
    [id],
  );
  return rows.flatMap(({ items }) => items);
};

describe('what happened in a call', () => {
  it('is shown with its attempt, alone and in the list', async () => {
    const attempt = await call(numbers(1)[0]!, said, kept);
    const silent = await call(numbers(1, 1)[0]!, null);
    const shown = (await send('GET', `/v1/attempts/${attempt}`)).json;
    expect(shown).toMatchObject({ id: attempt, campaign_id: id, steps: said, answers: kept });
    expect((await send('GET', `/v1/attempts/${silent}`)).json).toMatchObject({ steps: null, answers: null });
    expect((await send('GET', `/v1/campaigns/${id}/attempts`)).json.data[0]).toEqual(shown);
    const other = await createEquipped(api);
    expect((await api.send('GET', `/v1/attempts/${attempt}`, { token: other.token })).status).toBe(404);
  });

  it('is told with the event of its end', async () => {
    await call(numbers(1)[0]!, said, kept);
    await call(numbers(1, 1)[0]!, null);
    expect(await events()).toMatchObject([
      { steps: said, answers: kept },
      { steps: null, answers: null },
    ]);
    const stream = await send('GET', `/v1/campaigns/${id}/events?follow=false`);
    expect(stream.status).toBe(200);
  });

  it('is exported: NDJSON as the list shows it, CSV with a column for each answer', async () => {
    await call(numbers(1)[0]!, said, kept);
    await call(numbers(1, 1)[0]!, [{ at, step: 'ask', type: 'menu', outcome: 'timeout' }], { reply: '=1+1' });
    await call(numbers(1, 2)[0]!, null);
    const path = `/v1/campaigns/${id}/attempts/export`;
    const ndjson = (await send('GET', `${path}?format=ndjson`)).bytes.toString().trim().split('\n');
    const list = (await send('GET', `/v1/campaigns/${id}/attempts`)).json.data;
    expect(ndjson.map((line) => JSON.parse(line))).toEqual(list);
    const [header, ...rows] = (await send('GET', path)).bytes.toString().trim().split('\r\n');
    expect(header).toMatch(/,steps,(machine_\w+,)+answer\.code,answer\.reply$/);
    expect(rows[0]).toMatch(/,"ask 71 answered, code 42 answered, bye",,+42,1$/);
    expect(rows[1]).toMatch(/,ask timeout,,+'=1\+1$/);
    expect(rows[2]).toMatch(/,,,$/);
    const busy = (await send('GET', `${path}?disposition=busy`)).bytes.toString();
    expect(busy).not.toContain('answer.');
  });

  it('is counted in the report by step, key, outcome and answer', async () => {
    await call(numbers(1)[0]!, said, kept);
    await call(numbers(1, 1)[0]!, said, { ...kept, code: '43' });
    const timeout: Happened = { at, step: 'ask', type: 'menu', heard_seconds: 1, outcome: 'timeout' };
    await call(numbers(1, 2)[0]!, [
      timeout,
      { ...timeout, pressed: [{ at, key: '1' }], outcome: 'answered' },
    ]);
    await call(numbers(1, 3)[0]!, null);
    const { steps, answers } = (await send('GET', `/v1/campaigns/${id}/report`)).json;
    expect(steps).toEqual([
      {
        step: 'ask',
        times: 4,
        heard_seconds: 11,
        keys: [
          { key: '1', times: 3 },
          { key: '7', times: 2 },
        ],
        outcomes: [
          { outcome: 'answered', times: 3 },
          { outcome: 'timeout', times: 1 },
        ],
      },
      { step: 'bye', times: 2, heard_seconds: 0, keys: [], outcomes: [] },
      { step: 'code', times: 2, heard_seconds: 4, keys: [], outcomes: [{ outcome: 'answered', times: 2 }] },
    ]);
    expect(answers).toEqual([
      {
        name: 'code',
        attempts: 2,
        different: 2,
        values: [
          { value: '42', attempts: 1 },
          { value: '43', attempts: 1 },
        ],
      },
      { name: 'reply', attempts: 2, different: 1, values: [{ value: '1', attempts: 2 }] },
    ]);
  });

  it('is reported within bounds, however much there is of it', async () => {
    await call(
      numbers(1)[0]!,
      Array.from({ length: 450 }, (_, i) => ({ at, step: `s${i}`, type: 'hangup' as const })),
      Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`a${i}`, 'x'])),
    );
    for (let i = 1; i <= 22; i++) await call(numbers(1, i)[0]!, [], { a0: `value ${i}` });
    const { steps, answers } = (await send('GET', `/v1/campaigns/${id}/report`)).json;
    expect([steps.length, answers.length]).toEqual([400, 100]);
    expect(answers[0]).toMatchObject({ name: 'a0', attempts: 23, different: 23 });
    expect(answers[0].values).toHaveLength(20);
  });

  it('of a campaign does not mix with that of others, and of who heard a message to its end flows say nothing', async () => {
    await call(numbers(1)[0]!, said, kept);
    await api.db.pool.query('UPDATE attempts SET heard_seconds = 0.5 WHERE campaign_id = $1', [id]);
    const own = (await send('GET', `/v1/campaigns/${id}/report`)).json.totals;
    expect(own).toMatchObject({ average_heard_seconds: 0.5, heard_to_end_ratio: null });
    const first = id;
    id = await createCampaign(api, tenant);
    await call(numbers(1)[0]!, [{ at, step: 'message', type: 'play', outcome: 'key' }]);
    await api.db.pool.query('UPDATE attempts SET heard_seconds = 0.5 WHERE campaign_id = $1', [id]);
    expect((await send('GET', `/v1/campaigns/${id}/report`)).json).toMatchObject({
      totals: { heard_to_end_ratio: 1 },
      steps: [{ step: 'message' }],
      answers: [],
    });
    expect((await send('GET', `/v1/campaigns/${first}/report`)).json.steps).toHaveLength(3);
    const { rows } = await api.db.pool.query<{ from: Date; to: Date }>(
      `SELECT now() - interval '1 day' AS from, now() + interval '1 day' AS to`,
    );
    const [from, to] = [rows[0]!.from.toISOString(), rows[0]!.to.toISOString()];
    const all = (await send('GET', `/v1/report?from=${from}&to=${to}`)).json;
    expect(all.by_campaign.map((c: { campaign_id: string }) => c.campaign_id)).toEqual(
      expect.arrayContaining([first, id]),
    );
    expect(all.steps).toBeUndefined();
  });
});

describe('an erasure', () => {
  const person = numbers(1, 40)[0]!;
  const other = numbers(1, 41)[0]!;
  const erase = (number: string) => send('POST', '/v1/erasures', { number });
  const secret: Happened[] = [{ at, step: 'tell', type: 'collect', digits: '777777', outcome: 'answered' }];
  const traces = async (what: string) => {
    await relayAll(api.db.pool);
    const found = await Promise.all(
      ['attempts', 'events', 'event_outbox', 'webhook_deliveries'].map(async (table) => {
        const query = `SELECT FROM ${table} t WHERE t::text LIKE '%' || $1 || '%' LIMIT 1`;
        return (await api.db.pool.query(query, [what])).rowCount ? [table] : [];
      }),
    );
    return found.flat();
  };

  it('takes what was pressed and said, from attempts and from what was told of them', async () => {
    const attempt = await call(person, secret, { told: 'Plantagenet' });
    expect(await traces('777777')).toEqual(['attempts', 'events', 'webhook_deliveries']);
    await erase(person);
    for (const what of ['777777', 'Plantagenet']) expect(await traces(what)).toEqual([]);
    expect((await send('GET', `/v1/attempts/${attempt}`)).json).toMatchObject({
      steps: null,
      answers: null,
      disposition: 'answered',
    });
    expect((await send('GET', `/v1/campaigns/${id}/events?follow=false`)).status).toBe(200);
    for (const item of await events())
      expect(item).toMatchObject({ number: 'erased', steps: null, answers: null });
  });

  it('of who is on the phone just then takes what is said after it as well', async () => {
    await addContacts(api, tenant, id, [person]);
    const { attemptId } = await insertAttempt(api, tenant, id);
    await erase(person);
    await api.db.pool.query('UPDATE attempts SET steps = $2, answers = $3 WHERE id = $1', [
      attemptId,
      JSON.stringify(secret),
      JSON.stringify({ told: 'Plantagenet' }),
    ]);
    for (const what of ['777777', 'Plantagenet']) expect(await traces(what)).toEqual([]);
  });

  it('takes what others pressed when it is the number, and leaves the rest', async () => {
    const national = person.slice(3);
    const named = await call(other, [{ ...secret[0]!, digits: `0${national}` }], { back: `0${national}` });
    const untouched = await call(numbers(1, 42)[0]!, secret, { told: 'x' });
    expect((await erase(person)).json.mentions).toBeGreaterThan(0);
    expect((await send('GET', `/v1/attempts/${named}`)).json).toMatchObject({
      number: other,
      steps: null,
      answers: null,
    });
    expect((await send('GET', `/v1/attempts/${untouched}`)).json).toMatchObject({ steps: secret });
    expect(await traces(national)).toEqual([]);
  });
});
