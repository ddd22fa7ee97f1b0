import { beforeAll, describe, expect, it } from 'vitest';
import { addContacts, createCampaign, insertAttempt, numbers } from './fixtures.js';
import { useApi, useTenant } from './use.js';

let id: string;
const made: { attemptId: string; contactId: string }[] = [];
const api = useApi();
const tenant = useTenant(api);
beforeAll(async () => {
  id = await createCampaign(api, tenant);
  await addContacts(api, tenant, id, numbers(5));
  for (let i = 0; i < 3; i++) made.push(await insertAttempt(api, tenant, id));
  const other = await createCampaign(api, tenant);
  await addContacts(api, tenant, other, numbers(1));
  await insertAttempt(api, tenant, other);
});

const list = (query = '') => api.send('GET', `/v1/campaigns/${id}/attempts${query}`, { token: tenant.token });

describe('attempts', () => {
  it('are listed with all that a tenant may see of them', async () => {
    await api.db.pool.query(
      `UPDATE attempts SET state = 'ended', disposition = 'answered', claimed_at = '2026-11-21T10:00:00Z',
        answered_at = '2026-11-21T10:00:05.25Z', ended_at = '2026-11-21T10:00:20Z', ring_seconds = 5.25,
        talk_seconds = 14.5, heard_seconds = 12, key = '1', sip_status = 200, hangup_cause = 16,
        hung_up_by = 'callee' WHERE id = $1`,
      [made[0]!.attemptId],
    );
    const { json } = await list();
    expect(json.data[0]).toEqual({
      id: made[0]!.attemptId,
      campaign_id: id,
      contact_id: made[0]!.contactId,
      trunk_id: tenant.trunkId,
      number: numbers(1)[0],
      test: false,
      ordinal: 1,
      state: 'ended',
      cause: null,
      disposition: 'answered',
      claimed_at: '2026-11-21T10:00:00.000Z',
      answered_at: '2026-11-21T10:00:05.250Z',
      ended_at: '2026-11-21T10:00:20.000Z',
      ring_seconds: 5.25,
      talk_seconds: 14.5,
      heard_seconds: 12,
      key: '1',
      sip_status: 200,
      hangup_cause: 16,
      hung_up_by: 'callee',
      silent: false,
      machine: null,
      steps: null,
      answers: null,
    });
    expect(json.data[1]).toMatchObject({ state: 'open', disposition: null, ended_at: null });
  });

  it('are those of the campaign only, the newest last, page by page', async () => {
    const first = await list('?limit=2');
    const second = await list(`?limit=2&after=${first.json.next}`);
    expect([...first.json.data, ...second.json.data].map((a) => a.id)).toEqual(made.map((m) => m.attemptId));
    expect(second.json.next).toBeNull();
  });

  it('may be asked for by contact', async () => {
    const { json } = await list(`?contact_id=${made[1]!.contactId}`);
    expect(json.data.map((a: { id: string }) => a.id)).toEqual([made[1]!.attemptId]);
    expect(
      (await list('?contact_id=one&limit=x')).json.errors.map((e: { field: string }) => e.field),
    ).toEqual(['?limit', '?contact_id']);
  });
});
