import { beforeEach, describe, expect, it } from 'vitest';
import { parseCallId } from '../../src/calls/call-id.js';
import { registerNode } from '../../src/db/nodes.js';
import { releaseAttempts } from '../../src/db/open-attempts.js';
import { transaction } from '../../src/db/pool.js';
import { insertRecording } from '../../src/db/recordings.js';
import { waitForTurn } from '../../src/db/turn.js';
import { newId } from '../../src/ids.js';
import { countersOf, statusOf } from '../support/campaigns.js';
import { relayAll } from '../support/relay.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';
import { adminToken } from './client.js';
import { createCampaign, createEquipped, type Equipped, numbers } from './fixtures.js';
import { importing } from './importing.js';
import { useApi } from './use.js';

const api = useApi();
let tenant: Equipped;
let id: string;
const node = { name: 'node', ports: 100, callsPerSecond: null, templates: ['direct'] };
const person = '+493012345678';
const others = numbers(3);

beforeEach(async () => {
  await api.db.pool.query('TRUNCATE tenants, contacts, nodes, installation_erasures, event_outbox CASCADE');
  await registerNode(api.db.pool, node);
  tenant = await createEquipped(api, { default_region: 'DE' });
  id = await createCampaign(api, tenant, { retry: { lost: '0s*9' } });
});

const send = (method: string, path: string, body?: unknown, token = tenant.token) =>
  api.send(method, path, { token, body });
const add = async (rows: readonly object[], campaignId = id) =>
  expect((await send('POST', `/v1/campaigns/${campaignId}/contacts`, rows)).status).toBe(201);
const start = (campaignId = id) => send('POST', `/v1/campaigns/${campaignId}/start`);
const erase = (number: string) => send('POST', '/v1/erasures', { number });
const claim = async () => (await claimInTurn(api.db.pool, node, async () => {})).calls;
const contacts = async (query = '') => (await send('GET', `/v1/campaigns/${id}/contacts${query}`)).json.data;

/** Tables that have a row in which `what` stands, in any column. */
async function tablesWith(what: string): Promise<string[]> {
  const { rows } = await api.db.pool.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables
      WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
  );
  expect(rows.length).toBeGreaterThan(15);
  const found: string[] = [];
  for (const { name } of rows) {
    const { rowCount } = await api.db.pool.query(
      `SELECT FROM ${name} t WHERE t::text LIKE '%' || $1 || '%' LIMIT 1`,
      [what],
    );
    if (rowCount) found.push(name);
  }
  return found;
}

describe('an erasure', () => {
  it('leaves no trace of the number, nor of its fields, anywhere in the database', async () => {
    const other = await createCampaign(api, tenant);
    const planted = { name: 'Plantagenet', city: 'Angers' };
    const consent = { consent_basis: 'Plantagenet agreed', consent_source: 'by 030 12345678' };
    await add([{ number: '030 12345678', fields: planted, time_zone: 'Europe/Berlin', ...consent }]);
    await add([{ number: person, fields: planted }], other);
    await add([
      { number: others[0], fields: { spouse: '030/123 456-78', due: 7, 'tel +49 30 12345678': 'x' } },
      { number: others[1], fields: { phone: 493012345678 }, consent_basis: 'told to (+49) 30 1234.5678' },
      { number: others[2], fields: { amount: 123456789, id: '9301234567800' } },
    ]);
    await start();
    await finishInTurn(
      api.db.pool,
      (await claim()).map(({ callId }) => ({ callId, archiveStatus: 'Completed' })),
    );
    await api.db.pool.query(
      `INSERT INTO inbound_calls (tenant_id, id, campaign_id, contact_id, attempt_id, number, called, steps, answers)
        SELECT tenant_id, id, campaign_id, id, id, number, '1', '[{"digits": "030 12345678"}]', '{"name": "Plantagenet"}'
        FROM contacts WHERE number = $1 LIMIT 1`,
      [person],
    );
    const list = `/v1/suppression-lists/${tenant.listId}/numbers`;
    expect((await send('POST', list, [person])).status).toBe(201);
    await importing(api, tenant, other).csv(
      `number,name,time_zone\n${person},Plantagenet,Nowhere/Land\n0301234567,Plantagenet 030-12345678,\n`,
    );
    await api.db.pool.query(`UPDATE imports SET name = 'all of 030 12345678.csv'`);
    await send('PATCH', `/v1/campaigns/${other}`, { name: 'was for 030 12345678' });
    await send('PATCH', `/v1/campaigns/${other}`, { name: 'Vespers' });

    // Of events as well: where they wait, where they are read, and where they are sent from.
    await relayAll(api.db.pool);
    await api.db.pool.query(
      `INSERT INTO event_outbox (tenant_id, campaign_id, type, items) SELECT tenant_id, campaign_id, type, items FROM events`,
    );
    const traces = ['12345678', '030 1234', '123 456', '1234.5678', 'Plantagenet', 'Angers'];
    for (const trace of traces) expect([trace, await tablesWith(trace)]).not.toEqual([trace, []]);
    expect(await tablesWith(person)).toEqual(
      expect.arrayContaining(['event_outbox', 'events', 'webhook_deliveries']),
    );
    const reply = await erase('(030) 12345678');
    expect(reply.status).toBe(201);
    expect(reply.json).toEqual({
      id: expect.any(String),
      erased_at: expect.any(String),
      contacts: 2,
      attempts: 1,
      suppressions: 1,
      // 6, and the rows of events: those of the person, and those with fields that name it.
      mentions: 17,
    });
    // The others' own numbers and fields begin with these digits, or have them within longer ones.
    await api.db.pool.query('DELETE FROM contacts WHERE number = $1', [others[2]]);
    const longer = (text: string, type: string) =>
      `${text} = replace(replace(${text}::text, '123456789', '1'), '9301234567800', '')::${type}`;
    await api.db.pool.query(
      `UPDATE events SET ${longer('items', 'json')}; UPDATE event_outbox SET ${longer('items', 'json')};
      UPDATE webhook_deliveries SET ${longer('body', 'text')}`,
    );
    for (const trace of traces) expect([trace, await tablesWith(trace)]).toEqual([trace, []]);
    expect((await contacts()).map((c: { fields: object }) => c.fields)).toEqual([{ due: 7 }, {}, {}]);
  });

  it('keeps what only looks like the number', async () => {
    const fields = { amount: 123456789, id: '9301234567800', ref: '993012345678', text: '030 1234567 89' };
    await add([{ number: others[0], fields }]);
    expect((await erase(person)).json).toMatchObject({ contacts: 0, attempts: 0, mentions: 0 });
    expect((await contacts())[0].fields).toEqual(fields);
  });

  it('leaves the figures of campaigns as they were, and ends who still waited as suppressed', async () => {
    await add([{ number: person }, { number: others[0] }]);
    const waiting = await createCampaign(api, tenant);
    await add([{ number: person }], waiting);
    await start();
    await finishInTurn(
      api.db.pool,
      (await claim()).map(({ callId }) => ({ callId, archiveStatus: 'Completed' })),
    );
    await start(waiting);
    const report = async () => (await send('GET', `/v1/campaigns/${id}/report`)).json.totals;
    const before = await report();
    await erase(person);
    expect(await report()).toEqual(before);
    expect((await countersOf(api.db.pool, id)).kept).toMatchObject({ answered: 2, attempts: 2 });
    expect((await countersOf(api.db.pool, waiting)).kept).toMatchObject({ pending: 0, suppressed: 1 });
    for (const campaign of [id, waiting]) {
      const { kept, counted } = await countersOf(api.db.pool, campaign);
      expect(kept).toEqual(counted);
    }
    expect(await statusOf(api.db.pool, waiting)).toBe('completed');
    const erased = (await contacts()).find((c: { number: string }) => c.number.startsWith('erased '));
    expect(erased).toMatchObject({
      number: `erased ${erased.id}`,
      state: 'answered',
      fields: {},
      time_zone: null,
    });
    const attempts = (await send('GET', `/v1/campaigns/${id}/attempts?contact_id=${erased.id}`)).json.data;
    expect(attempts).toMatchObject([{ number: `erased ${erased.id}`, disposition: 'answered' }]);
    expect(await contacts('?limit=1')).toHaveLength(1);
  });

  it.each([
    ['is retried', { archiveStatus: null, as: 'lost' as const }],
    ['was answered', { archiveStatus: 'Completed' as const }],
  ])('of who is called just then lets the call end, and calls nobody again when it %s', async (_, how) => {
    await add([{ number: person }]);
    await start();
    const calls = await claim();
    expect(calls).toHaveLength(1);
    const { tenantId, attemptId } = parseCallId(calls[0]!.callId)!;
    const said = { tenantId, attemptId, step: 'ask', seconds: 1, audio: Buffer.from('said') };
    await insertRecording(api.db.pool, { ...said, id: newId() });
    const keptAudio = async () =>
      (await api.db.pool.query('SELECT FROM recordings WHERE attempt_id = $1', [attemptId])).rowCount;
    expect(await keptAudio()).toBe(1);
    expect((await erase(person)).json).toMatchObject({ contacts: 1, attempts: 1 });
    expect(await keptAudio()).toBe(0);
    // Nor is what the PBX was recording just then.
    await insertRecording(api.db.pool, { ...said, id: newId() });
    expect(await keptAudio()).toBe(0);
    expect(await tablesWith('12345678')).toEqual([]);
    expect(await finishInTurn(api.db.pool, [{ callId: calls[0]!.callId, ...how }])).toHaveLength(1);
    expect(await claim()).toEqual([]);
    expect(await statusOf(api.db.pool, id)).toBe('completed');
    expect(await tablesWith('12345678')).toEqual([]);
    const { kept, counted } = await countersOf(api.db.pool, id);
    expect(kept).toEqual(counted);
    expect(kept).toMatchObject({ calling: 0, retrying: 0, attempts: 1 });
  });

  it('of who was claimed and never placed calls nobody either', async () => {
    await add([{ number: person }]);
    await start();
    const [call] = await claim();
    await erase(person);
    await releaseAttempts(api.db.pool, [call!.callId]);
    expect(await claim()).toEqual([]);
    expect((await countersOf(api.db.pool, id)).kept).toMatchObject({ suppressed: 1, attempts: 0 });
  });

  it('keeps the number from being called when it is uploaded again, here and by no other tenant', async () => {
    const stranger = await createEquipped(api);
    const strange = await createCampaign(api, stranger);
    await erase('030 12345678');
    await add([{ number: person }, { number: others[0] }]);
    await start();
    const asStranger = (path: string, body?: unknown) => send('POST', path, body, stranger.token);
    await asStranger(`/v1/campaigns/${strange}/contacts`, [{ number: person }]);
    await asStranger(`/v1/campaigns/${strange}/start`);
    const calls = await claim();
    expect(calls.map((c) => [c.tenantId, c.number]).toSorted()).toEqual(
      [
        [tenant.id, others[0]],
        [stranger.id, person],
      ].toSorted(),
    );
    const { kept, counted } = await countersOf(api.db.pool, id);
    expect(kept).toEqual(counted);
    expect(kept).toMatchObject({ suppressed: 1, calling: 1, attempts: 1 });
    expect((await api.db.pool.query('SELECT FROM attempts WHERE tenant_id = $1', [tenant.id])).rowCount).toBe(
      1,
    );
  });

  it('lets the port of who is called no more go to the next', async () => {
    await erase(person);
    await add([{ number: person }]);
    await add([{ number: others[0] }]);
    await send('PATCH', `/v1/campaigns/${id}`, { ports: 1 });
    await start();
    expect(await claimInTurn(api.db.pool, node, async () => {})).toEqual({ calls: [], wakeInMs: 0 });
    expect((await claim()).map((c) => c.number)).toEqual([others[0]]);
  });

  it('may be asked for again, and be forgotten', async () => {
    const first = (await erase(person)).json;
    expect((await erase(person)).json.id).toBe(first.id);
    const list = (await send('GET', '/v1/erasures')).json.data;
    expect(list).toEqual([
      { id: tenant.erasureId, erased_at: expect.any(String) },
      { id: first.id, erased_at: first.erased_at },
    ]);
    expect((await send('DELETE', `/v1/erasures/${first.id}`)).status).toBe(204);
    expect((await send('DELETE', `/v1/erasures/${first.id}`)).status).toBe(404);
    await add([{ number: person }]);
    await start();
    expect((await claim()).map((c) => c.number)).toEqual([person]);
  });

  it('is written to the audit log without the number, and refused without one', async () => {
    const { id: erasureId } = (await erase(person)).json;
    const entry = (await send('GET', '/v1/audit?limit=1000')).json.data.at(-1);
    expect(entry).toMatchObject({
      action: 'post /v1/erasures',
      object_id: erasureId,
      request: { number: '...' },
    });
    const refused = await erase('12');
    expect([refused.status, refused.json.errors[0].field]).toEqual([422, '/number']);
  });

  it('waits for its turn, so that no claim comes between what it takes away and what it keeps', async () => {
    await add([{ number: person }]);
    let over = false;
    let erasing: Promise<unknown> | undefined;
    await transaction(api.db.pool, async (tx) => {
      await waitForTurn(tx);
      erasing = erase(person).then(() => {
        over = true;
      });
      const waits = () =>
        tx.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`).then((r) => r.rowCount);
      while ((await waits()) === 0) expect(over).toBe(false);
    });
    await erasing;
    expect(over).toBe(true);
  });
});

describe('an erasure of the installation', () => {
  const everywhere = (number: string) => send('POST', '/v1/installation-erasures', { number }, adminToken);

  it('takes the number from every tenant and from the list of all, and nobody calls it again', async () => {
    const stranger = await createEquipped(api);
    const strange = await createCampaign(api, stranger);
    await add([{ number: person, fields: { name: 'Plantagenet' } }]);
    const path = `/v1/campaigns/${strange}`;
    await send('POST', `${path}/contacts`, [{ number: person }], stranger.token);
    await send('POST', '/v1/installation-suppressions', [person], adminToken);
    await send('POST', '/v1/tenants', { name: 'of 030 12345678', ports: 1 }, adminToken);
    await api.db.pool.query(`UPDATE tenants SET name = 'x' WHERE name LIKE 'of %'`);
    expect((await everywhere(person)).json).toMatchObject({ contacts: 2, suppressions: 1, mentions: 1 });
    for (const trace of ['12345678', 'Plantagenet']) expect(await tablesWith(trace)).toEqual([]);
    await send('POST', `${path}/contacts`, [{ number: person }], stranger.token);
    await send('POST', `${path}/start`, undefined, stranger.token);
    expect(await claim()).toEqual([]);
    expect((await countersOf(api.db.pool, strange)).kept).toMatchObject({ suppressed: 2, pending: 0 });
  });

  it('is the admin’s, who may list and forget it', async () => {
    expect((await send('POST', '/v1/installation-erasures', { number: person })).status).toBe(403);
    const { id: erasureId } = (await everywhere(person)).json;
    const list = () => send('GET', '/v1/installation-erasures', undefined, adminToken);
    expect((await list()).json.data).toEqual([{ id: erasureId, erased_at: expect.any(String) }]);
    const gone = await send('DELETE', `/v1/installation-erasures/${erasureId}`, undefined, adminToken);
    expect(gone.status).toBe(204);
    expect((await list()).json.data).toEqual([]);
  });
});
