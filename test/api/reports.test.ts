import { beforeAll, describe, expect, it } from 'vitest';
import { type AttemptFixture, insertAttemptFixtures } from '../support/attempts.js';
import { fieldsOf } from './client.js';
import { addContacts, createCampaign, createEquipped, numbers, unknownId } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const N = numbers(20);
/** The night in which summer time ended in Rome; the message lasts 0.5 s. */
const NIGHT: AttemptFixture[] = [
  { at: '2026-10-25T00:10:00Z', number: N[1]!, disposition: 'busy', sip: 486, cause: 17, ring: 2 },
  {
    at: '2026-10-25T00:40:00Z',
    number: N[2]!,
    disposition: 'answered',
    sip: 200,
    cause: 16,
    ring: 4,
    talk: 10.1,
    heard: 0.5,
    key: '1',
  },
  {
    at: '2026-10-25T01:20:00Z',
    number: N[1]!,
    ordinal: 2,
    disposition: 'answered',
    sip: 200,
    cause: 16,
    ring: 6,
    talk: 20,
    heard: 0.25,
    key: '2',
  },
  { at: '2026-10-25T01:30:00Z', number: N[3]!, disposition: 'unreachable', sip: 0 },
  { at: '2026-10-25T01:40:00Z', number: N[4]!, disposition: 'unreachable', sip: 401 },
  { at: '2026-10-25T02:00:00Z', number: N[5]!, disposition: 'failed' },
  { at: '2026-10-25T02:10:00Z', number: N[7]!, disposition: null, ring: 1 },
  { at: '2026-10-25T02:20:00Z', number: N[8]!, disposition: 'congestion', cause: 34 },
  { at: '2026-10-25T02:30:00Z', number: N[9]!, disposition: 'unreachable', sip: 302 },
  { at: '2026-10-25T02:35:00Z', number: N[11]!, disposition: 'unreachable', cause: 3 },
  { at: '2026-10-25T02:36:00Z', number: N[12]!, disposition: 'lost' },
  {
    at: '2026-10-25T02:40:00Z',
    number: N[10]!,
    disposition: 'machine',
    sip: 200,
    talk: 5,
    heard: 0.5,
    key: '1',
  },
  { at: '2026-10-25T02:59:59.9Z', number: N[6]!, disposition: 'no_answer', sip: 180, ring: 30 },
];

let id: string;
let other: string;
const api = useApi();
const tenant = useTenant(api);
beforeAll(async () => {
  id = await createCampaign(api, tenant, { name: 'Night' });
  other = await createCampaign(api, tenant, { name: 'Morning' });
  for (const campaign of [id, other]) await addContacts(api, tenant, campaign, N);
  const fixture = { tenantId: tenant.id, trunkId: tenant.trunkId };
  await insertAttemptFixtures(api.db.pool, fixture, id, NIGHT);
  await insertAttemptFixtures(api.db.pool, fixture, other, [
    { at: '2026-10-25T08:00:00Z', number: N[1]!, disposition: 'busy', sip: 486, ring: 3 },
    { at: '2026-10-26T00:00:00Z', number: N[2]!, disposition: 'busy', sip: 486, ring: 3 },
  ]);
  await api.db.pool.query(
    `UPDATE contacts SET state = 'answered' WHERE campaign_id = $1 AND number = ANY($2)`,
    [id, [N[1], N[2], N[10]]],
  );
});

const report = (query = '', of = tenant) =>
  api.send('GET', `/v1/campaigns/${id}/report${query}`, { token: of.token });
const ofTime = (query: string, of = tenant) => api.send('GET', `/v1/report?${query}`, { token: of.token });
const NIGHT_TOTALS = {
  contacts: { total: 20, pending: 17, answered: 3, calling: 0, busy: 0 },
  attempts: 13,
  open: 1,
  answered: 3,
  seizures: 6,
  answer_seizure_ratio: 0.5,
  retries: 1,
  talk_seconds: 35.1,
  average_talk_seconds: 11.7,
  average_ring_seconds: 8.6,
  average_heard_seconds: 0.4167,
  heard_to_end_ratio: 0.6667,
};

describe('the report of a campaign', () => {
  it('has the totals, with only those attempts as seizures that the network took', async () => {
    const { json } = await report();
    expect(json).toMatchObject({ campaign_id: id, time_zone: 'UTC', totals: NIGHT_TOTALS });
  });

  it('counts by disposition, key and SIP answer, the most frequent first', async () => {
    const { json } = await report();
    expect(json.by_disposition).toEqual([
      { disposition: 'unreachable', attempts: 4 },
      { disposition: 'answered', attempts: 2 },
      { disposition: 'busy', attempts: 1 },
      { disposition: 'congestion', attempts: 1 },
      { disposition: 'failed', attempts: 1 },
      { disposition: 'lost', attempts: 1 },
      { disposition: 'machine', attempts: 1 },
      { disposition: 'no_answer', attempts: 1 },
    ]);
    expect(json.keys).toEqual([
      { key: '1', attempts: 2 },
      { key: '2', attempts: 1 },
    ]);
    expect(json.sip_statuses).toEqual([
      { sip_status: 200, attempts: 3 },
      { sip_status: 0, attempts: 1 },
      { sip_status: 180, attempts: 1 },
      { sip_status: 302, attempts: 1 },
      { sip_status: 401, attempts: 1 },
      { sip_status: 486, attempts: 1 },
    ]);
  });

  it('counts by hour of UTC, in their order, with the calls of each', async () => {
    const { json } = await report();
    expect(json.by_hour).toEqual([
      {
        hour: '2026-10-25T00:00:00Z',
        attempts: 2,
        answered: 1,
        machines: 0,
        seizures: 2,
        answer_seizure_ratio: 0.5,
        talk_seconds: 10.1,
      },
      {
        hour: '2026-10-25T01:00:00Z',
        attempts: 3,
        answered: 1,
        machines: 0,
        seizures: 1,
        answer_seizure_ratio: 1,
        talk_seconds: 20,
      },
      {
        hour: '2026-10-25T02:00:00Z',
        attempts: 8,
        answered: 1,
        machines: 1,
        seizures: 3,
        answer_seizure_ratio: 0.3333,
        talk_seconds: 5,
      },
    ]);
  });

  it('tells the hour that comes twice when summer time ends apart by its offset', async () => {
    const { json } = await report('?time_zone=Europe/Rome');
    expect(json.by_hour.map((h: { hour: string; attempts: number }) => [h.hour, h.attempts])).toEqual([
      ['2026-10-25T02:00:00+02:00', 2],
      ['2026-10-25T02:00:00+01:00', 3],
      ['2026-10-25T03:00:00+01:00', 8],
    ]);
    expect(json.time_zone).toBe('Europe/Rome');
  });

  it('begins hours at the half where the time zone does, also west of Greenwich', async () => {
    const india = (await report('?time_zone=Asia/Kolkata')).json.by_hour[0];
    expect(india).toMatchObject({ hour: '2026-10-25T05:00:00+05:30', attempts: 1 });
    const newfoundland = (await report('?time_zone=America/St_Johns')).json.by_hour[0];
    expect(newfoundland).toMatchObject({ hour: '2026-10-24T21:00:00-02:30', attempts: 1 });
  });

  it('is one of zeros without attempts', async () => {
    const empty = await createCampaign(api, tenant);
    const { json } = await api.send('GET', `/v1/campaigns/${empty}/report`, { token: tenant.token });
    expect(json).toMatchObject({
      totals: { contacts: { total: 0 }, attempts: 0, answer_seizure_ratio: null, average_talk_seconds: null },
      by_disposition: [],
      by_hour: [],
      keys: [],
      sip_statuses: [],
    });
  });

  it('refuses what is no IANA name, by the field', async () => {
    for (const zone of [
      'Rome',
      'Europe/Nowhere',
      '%2B01:00',
      'CET',
      "Europe/Rome'",
      'posix/Europe/Rome',
      '',
    ]) {
      const { status, json } = await report(`?time_zone=${zone}`);
      expect([zone, status, json.errors?.[0].field]).toEqual([zone, 422, '?time_zone']);
    }
  });

  it('is not there for another tenant, or for a campaign that never was', async () => {
    const stranger = await createEquipped(api);
    expect((await report('', stranger)).status).toBe(404);
    const path = `/v1/campaigns/${unknownId}/report`;
    expect((await api.send('GET', path, { token: tenant.token })).status).toBe(404);
  });
});

describe('the report of a time', () => {
  const day = 'from=2026-10-25T00:00:00Z&to=2026-10-26T00:00:00Z';

  it('has the attempts that began in it, of all campaigns and by campaign', async () => {
    const { json } = await ofTime(day);
    expect(json).toMatchObject({
      from: '2026-10-25T00:00:00.000Z',
      to: '2026-10-26T00:00:00.000Z',
      totals: { contacts: { total: 40, pending: 37, answered: 3 }, attempts: 14, seizures: 7, answered: 3 },
    });
    expect(json.by_campaign).toMatchObject([
      { campaign_id: id, name: 'Night', totals: NIGHT_TOTALS },
      { campaign_id: other, name: 'Morning', totals: { attempts: 1, seizures: 1, answer_seizure_ratio: 0 } },
    ]);
    expect(json.by_hour.map((h: { hour: string }) => h.hour)).toContain('2026-10-25T08:00:00Z');
  });

  it('begins with its first instant and ends before its last, whatever the offset it is given with', async () => {
    const attempts = async (from: string, to: string) =>
      (await ofTime(`from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`)).json.totals.attempts;
    expect(await attempts('2026-10-25T08:00:00Z', '2026-10-26T00:00:00Z')).toBe(1);
    expect(await attempts('2026-10-25T08:00:00.001Z', '2026-10-26T00:00:00Z')).toBe(0);
    expect(await attempts('2026-10-25T08:00:00.001Z', '2026-10-26T00:00:00.001Z')).toBe(1);
    expect(await attempts('2026-10-25T10:00:00+02:00', '2026-10-25T10:00:01+02:00')).toBe(1);
  });

  it('has attempts whose ids were made by a clock that was some hours off', async () => {
    const late = await createCampaign(api, tenant);
    await addContacts(api, tenant, late, N);
    await insertAttemptFixtures(api.db.pool, { tenantId: tenant.id, trunkId: tenant.trunkId }, late, [
      { at: '2026-09-01T12:00:00Z', idAt: '2026-09-01T02:00:00Z', number: N[1]!, disposition: 'busy' },
      { at: '2026-09-01T12:00:00Z', idAt: '2026-09-01T22:00:00Z', number: N[2]!, disposition: 'busy' },
    ]);
    const { json } = await ofTime('from=2026-09-01T12:00:00Z&to=2026-09-01T13:00:00Z');
    expect(json.totals.attempts).toBe(2);
  });

  it('has nothing of other tenants', async () => {
    const stranger = await createEquipped(api);
    const { json } = await ofTime(day, stranger);
    expect(json).toMatchObject({ totals: { attempts: 0, contacts: { total: 0 } }, by_campaign: [] });
  });

  it.each([
    ['', ['?from', '?to']],
    ['from=yesterday&to=2026-10-26', ['?from', '?to']],
    ['from=2026-10-26T00:00:00Z&to=2026-10-26T00:00:00Z', ['?to']],
    ['from=2026-07-25T00:00:00Z&to=2026-10-25T00:00:01Z', ['?to']],
    [`${day}&time_zone=Nowhere/Land&by=day`, ['?time_zone', '?by']],
  ])('refuses %s, by the field', async (query, fields) => {
    const { status, json } = await ofTime(query);
    expect(status).toBe(422);
    expect(fieldsOf(json)).toEqual(fields);
  });

  it('may be of 92 days', async () => {
    const { json } = await ofTime('from=2026-07-25T00:00:00Z&to=2026-10-25T00:00:00Z');
    expect(json.totals.attempts).toBe(2);
  });
});
