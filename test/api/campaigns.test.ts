import { describe, expect, it } from 'vitest';
import { sortedFieldsOf } from './client.js';
import {
  addContacts,
  createCampaign,
  createEquipped,
  insertAttempt,
  numbers,
  unknownId,
} from './fixtures.js';
import { hearNotifications } from './notifications.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);

const create = (body: object, token = tenant.token) => api.send('POST', '/v1/campaigns', { token, body });
const show = async (id: string) =>
  (await api.send('GET', `/v1/campaigns/${id}`, { token: tenant.token })).json;
const noContacts = {
  total: 0,
  pending: 0,
  calling: 0,
  retrying: 0,
  answered: 0,
  machine: 0,
  busy: 0,
  no_answer: 0,
  failed: 0,
  invalid: 0,
  suppressed: 0,
  no_consent: 0,
  cancelled: 0,
  expired: 0,
};

describe('campaigns', () => {
  it('are created as drafts with sensible rules', async () => {
    const body = { name: 'Vespers', trunk_ids: [tenant.trunkId], message_id: tenant.messageId };
    const made = await create(body);
    expect(made.status).toBe(201);
    expect(made.json).toEqual({
      ...body,
      id: expect.any(String),
      test: false,
      status: 'draft',
      flow_id: null,
      flow_version: null,
      opt_out_key: null,
      caller_id: null,
      ports: null,
      calls_per_second: null,
      weight: 1,
      ring_seconds: 30,
      retry: { busy: '5m,15m', no_answer: '30m,2h', congestion: '1m*5' },
      max_attempts: 5,
      suppression_max_age_days: null,
      requires_consent: false,
      machine_detection: null,
      max_abandoned_percent: null,
      paused_reason: null,
      inbound_message_id: null,
      calling_window: null,
      start_at: null,
      end_at: null,
      archived_at: null,
      created_at: expect.any(String),
      started_at: null,
      ended_at: null,
      contacts: noContacts,
      attempts: 0,
      ports_in_use: 0,
    });
    expect(await show(made.json.id)).toEqual(made.json);
    const list = await api.send('GET', '/v1/campaigns', { token: tenant.token });
    expect(list.json.data).toContainEqual(made.json);
  });

  it.each(['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+14:00', '9999-12-31T23:59:59-12:00'])(
    'are refused with a start in a year that is not written in four digits: %s',
    async (start_at) => {
      const body = { name: 'Vespers', trunk_ids: [tenant.trunkId], message_id: tenant.messageId, start_at };
      const { json } = await api.send('POST', '/v1/campaigns', { token: tenant.token, body });
      expect(json.errors).toMatchObject([{ field: '/start_at' }]);
    },
  );

  it('take a share that is next to nothing for none', async () => {
    const id = await createCampaign(api, tenant, { max_abandoned_percent: 5e-324 });
    const { json } = await api.send('GET', `/v1/campaigns/${id}`, { token: tenant.token });
    expect(json.max_abandoned_percent).toBe(0);
  });

  it('keep everything that was said', async () => {
    const body = {
      name: 'Lauds',
      trunk_ids: [tenant.trunkId.toUpperCase()],
      message_id: tenant.messageId,
      caller_id: '+493012345678',
      ports: 3,
      calls_per_second: 0.25,
      weight: 7,
      ring_seconds: 15,
      retry: { lost: '10s', rejected: '1d*3' },
      max_attempts: 9,
    };
    expect((await create(body)).json).toMatchObject({ ...body, trunk_ids: [tenant.trunkId] });
  });

  it('retry nothing when the rules are empty', async () => {
    const body = { name: 'Once', trunk_ids: [tenant.trunkId], message_id: tenant.messageId, retry: {} };
    expect((await create(body)).json.retry).toEqual({});
  });

  it('count contacts, attempts and the calls that are up', async () => {
    const id = await createCampaign(api, tenant);
    await addContacts(api, tenant, id, numbers(5));
    const first = await insertAttempt(api, tenant, id);
    await insertAttempt(api, tenant, id);
    await api.db.pool.query(
      `UPDATE attempts SET state = 'ended', disposition = 'answered', ended_at = now() WHERE id = $1`,
      [first.attemptId],
    );
    await api.db.pool.query(`UPDATE contacts SET state = 'answered' WHERE id = $1`, [first.contactId]);
    expect(await show(id)).toMatchObject({
      contacts: { ...noContacts, total: 5, pending: 3, calling: 1, answered: 1 },
      attempts: 2,
      ports_in_use: 1,
    });
  });

  it('are refused with every wrong field named', async () => {
    const reply = await create({
      name: '',
      trunk_ids: ['trunk'],
      caller_id: '030 12345678',
      ports: -1,
      calls_per_second: 'fast',
      weight: 0,
      ring_seconds: 4,
      retry: { busy: 'soon', answered: '5m', no_answer: 5, congestion: '1s*101' },
      max_attempts: 101,
      status: 'running',
    });
    expect(reply.status).toBe(422);
    expect(sortedFieldsOf(reply.json)).toEqual([
      '/caller_id',
      '/calls_per_second',
      '/max_attempts',
      '/name',
      '/ports',
      '/retry/answered',
      '/retry/busy',
      '/retry/congestion',
      '/retry/no_answer',
      '/ring_seconds',
      '/status',
      '/trunk_ids/0',
      '/weight',
    ]);
  });

  it('are refused with a ring time beyond 5 to 120 seconds', async () => {
    const body = { name: 'A', trunk_ids: [tenant.trunkId], message_id: tenant.messageId };
    for (const ring_seconds of [4, 121, 30.5]) {
      expect(sortedFieldsOf((await create({ ...body, ring_seconds })).json)).toEqual(['/ring_seconds']);
    }
    for (const ring_seconds of [5, 120]) expect((await create({ ...body, ring_seconds })).status).toBe(201);
  });

  it('are refused with a trunk or message that is unknown or of another tenant', async () => {
    const other = await createEquipped(api);
    for (const ids of [
      { trunk_ids: [unknownId], message_id: unknownId },
      { trunk_ids: [other.trunkId], message_id: other.messageId },
    ]) {
      const reply = await create({ name: 'A', ...ids });
      expect(reply.status).toBe(422);
      expect(sortedFieldsOf(reply.json)).toEqual(['/message_id', '/trunk_ids/0']);
    }
  });

  it('come in pages', async () => {
    const other = await createEquipped(api);
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(await createCampaign(api, other));
    const page = (query: string) => api.send('GET', `/v1/campaigns${query}`, { token: other.token });
    const first = await page('?limit=2');
    const second = await page(`?limit=2&after=${first.json.next}`);
    expect([...first.json.data, ...second.json.data].map((c) => c.id)).toEqual(ids);
    expect(second.json.next).toBeNull();
  });
});

describe('changing a campaign', () => {
  const change = (id: string, body: object) =>
    api.send('PATCH', `/v1/campaigns/${id}`, { token: tenant.token, body });

  it('sets what is named and leaves the rest, and wakes the schedulers of one that runs', async () => {
    const id = await createCampaign(api, tenant, { ports: 3, retry: { busy: '1m' } });
    const before = await show(id);
    const changes = {
      ports: null,
      retry: { no_answer: '5m' },
      caller_id: '+14155550123',
      calls_per_second: 2.5,
    };
    expect((await change(id, changes)).json).toEqual({ ...before, ...changes });
    expect(await show(id)).toEqual({ ...before, ...changes });
    await addContacts(api, tenant, id, numbers(1));
    await api.send('POST', `/v1/campaigns/${id}/start`, { token: tenant.token });
    const notifications = await hearNotifications(api.db.url);
    await change(id, { weight: 5 });
    expect(await notifications.take()).toEqual(['campanile_due']);
    await notifications.stop();
  });

  it('checks as creating does', async () => {
    const id = await createCampaign(api, tenant);
    const before = await show(id);
    const other = await createEquipped(api);
    const reply = await change(id, { trunk_ids: [other.trunkId], message_id: unknownId });
    expect(sortedFieldsOf(reply.json)).toEqual(['/message_id', '/trunk_ids/0']);
    expect(sortedFieldsOf((await change(id, { ring_seconds: 4, status: 'running' })).json)).toEqual([
      '/ring_seconds',
      '/status',
    ]);
    expect(await show(id)).toEqual(before);
  });
});

it('copies a campaign as a draft without contacts', async () => {
  const id = await createCampaign(api, tenant, {
    ports: 3,
    retry: { busy: '1m' },
    name: 'x'.repeat(191) + '🔔'.repeat(4),
  });
  await addContacts(api, tenant, id, numbers(2));
  await api.send('POST', `/v1/campaigns/${id}/start`, { token: tenant.token });
  const copy = (body: object) => api.send('POST', `/v1/campaigns/${id}/copy`, { token: tenant.token, body });
  const made = await copy({});
  expect(made.status).toBe(201);
  const { id: _, created_at, ...settings } = await show(id);
  expect(made.json).toMatchObject({
    ...settings,
    name: `Copy of ${'x'.repeat(191)}`,
    status: 'draft',
    started_at: null,
    contacts: noContacts,
  });
  expect((await copy({ name: 'Again' })).json.name).toBe('Again');
});

describe('when a campaign may call', () => {
  const window = { weekdays: ['mon', 'fri'], hours: ['09:00-12:30', '22:00-02:00'], zone: 'contact' };

  it('is kept as it was given, and taken away by null', async () => {
    const times = { start_at: '2026-12-01T09:00:00+01:00', end_at: '2026-12-24T12:00:00Z' };
    const id = await createCampaign(api, tenant, { calling_window: window, ...times });
    const shown = { ...window, except_dates: [] };
    const expected = { start_at: '2026-12-01T08:00:00.000Z', end_at: '2026-12-24T12:00:00.000Z' };
    expect(await show(id)).toMatchObject({ calling_window: shown, ...expected });
    const change = (body: object) => api.send('PATCH', `/v1/campaigns/${id}`, { token: tenant.token, body });
    expect((await change({ calling_window: null, start_at: null })).json).toMatchObject({
      calling_window: null,
      start_at: null,
      end_at: expected.end_at,
    });
    expect(sortedFieldsOf((await change({ start_at: '2026-12-24T12:00:00Z' })).json)).toEqual(['/end_at']);
  });

  it.each([
    [{ ...window, zone: 'Europe/Atlantis' }, ['/calling_window/zone']],
    [{ ...window, hours: ['9-17', '09:00-17:00'] }, ['/calling_window/hours/0']],
    [{ ...window, except_dates: ['2026-02-30'] }, ['/calling_window/except_dates/0']],
    [{ ...window, weekdays: ['monday'] }, ['/calling_window/weekdays/0']],
    [{ ...window, exept_dates: [] }, ['/calling_window/exept_dates']],
    [{ hours: [] }, ['/calling_window/hours', '/calling_window/weekdays']],
  ])('is refused when it cannot be read: %j', async (calling_window, fields) => {
    const reply = await create({
      name: 'Vespers',
      trunk_ids: [tenant.trunkId],
      message_id: tenant.messageId,
      calling_window,
    });
    expect(reply.status).toBe(422);
    expect(sortedFieldsOf(reply.json)).toEqual(fields);
  });

  it('asks the zones that the numbers of its contacts lie in', async () => {
    const id = await createCampaign(api, tenant);
    const list = ['+12125550486', '+18505550123', '+493012345678', '+881612345678'];
    await addContacts(api, tenant, id, list);
    const { rows } = await api.db.pool.query(
      'SELECT number, zones FROM contacts WHERE campaign_id = $1 ORDER BY number',
      [id],
    );
    expect(rows).toEqual([
      { number: '+12125550486', zones: 'America/New_York' },
      { number: '+18505550123', zones: 'America/Chicago America/New_York' },
      { number: '+493012345678', zones: 'Europe/Berlin Europe/Busingen' },
      { number: '+881612345678', zones: '' },
    ]);
    const { rows: kept } = await api.db.pool.query(
      'SELECT zones FROM campaign_zones WHERE campaign_id = $1 ORDER BY zones',
      [id],
    );
    expect(kept.map((row) => row.zones)).toEqual(rows.map((row) => row.zones).sort());
  });
});
