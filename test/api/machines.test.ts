import { describe, expect, it } from 'vitest';
import { AMD_DEFAULTS, BEEP_DEFAULTS } from '../../src/calls/machine.js';
import { fieldsOf } from './client.js';
import { addContacts, bells, createCampaign, createEquipped, insertAttempt } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);

const create = (machine_detection: unknown) =>
  api.send('POST', '/v1/campaigns', {
    token: tenant.token,
    body: { name: 'Nones', trunk_ids: [tenant.trunkId], message_id: tenant.messageId, machine_detection },
  });
const change = (id: string, body: object) =>
  api.send('PATCH', `/v1/campaigns/${id}`, { token: tenant.token, body });

describe('how a campaign tells machines from persons', () => {
  it('is by AMD as it comes with Asterisk unless it says otherwise', async () => {
    const { status, json } = await create({ action: 'hang_up', greeting: 1200 });
    expect(status).toBe(201);
    const detection = {
      action: 'hang_up',
      message_id: null,
      ...AMD_DEFAULTS,
      ...BEEP_DEFAULTS,
      greeting: 1200,
    };
    expect(json.machine_detection).toEqual(detection);
    const copy = await api.send('POST', `/v1/campaigns/${json.id}/copy`, { token: tenant.token, body: {} });
    expect(copy.json.machine_detection).toEqual(detection);
  });

  it('changes as a whole, and ends with null', async () => {
    const { json } = await create({ action: 'hang_up', greeting: 1200 });
    const changed = await change(json.id, {
      machine_detection: { action: 'leave_message', message_id: tenant.messageId, beep_silence: 1500 },
    });
    expect(changed.json.machine_detection).toMatchObject({
      action: 'leave_message',
      message_id: tenant.messageId,
      greeting: 1500,
      beep_silence: 1500,
    });
    expect((await change(json.id, { name: 'Sext' })).json.machine_detection).toEqual(
      changed.json.machine_detection,
    );
    expect((await change(json.id, { machine_detection: null })).json.machine_detection).toBeNull();
  });

  it.each([
    [{ action: 'leave_message' }, '/machine_detection/message_id'],
    [
      { action: 'hang_up', message_id: '01a00000-0000-7000-8000-000000000000' },
      '/machine_detection/message_id',
    ],
    [{ action: 'sing' }, '/machine_detection/action'],
    [{ action: 'hang_up', total_analysis_time: 60_000 }, '/machine_detection/total_analysis_time'],
    [{ action: 'hang_up', silence_threshold: 0 }, '/machine_detection/silence_threshold'],
    [{ action: 'hang_up', greeting: '1500' }, '/machine_detection/greeting'],
    [{ action: 'hang_up', initialSilence: 1 }, '/machine_detection/initialSilence'],
    [{ action: 'hang_up', beep_limit: 600_000 }, '/machine_detection/beep_limit'],
  ])('is refused when it is %j', async (detection, field) => {
    const { status, json } = await create(detection);
    expect(status).toBe(422);
    expect(fieldsOf(json)).toEqual([field]);
  });

  it('leaves no message of another tenant', async () => {
    const other = await createEquipped(api, { name: 'other' });
    const { status, json } = await create({ action: 'leave_message', message_id: other.messageId });
    expect(status).toBe(422);
    expect(json.errors).toEqual([{ field: '/machine_detection/message_id', message: 'is no message' }]);
  });
});

it('the verdict is in the attempt and in the event of its end', async () => {
  const campaignId = await createCampaign(api, tenant);
  await addContacts(api, tenant, campaignId, ['+493011000001']);
  const { attemptId } = await insertAttempt(api, tenant, campaignId);
  const verdict = {
    status: 'machine',
    cause: 'MAXWORDS',
    measured: 3,
    limit: 2,
    after_ms: 1840,
    action: 'hang_up',
    beep_after_ms: null,
    beep: null,
  };
  await api.db.pool.query(
    `UPDATE attempts SET state = 'ended', disposition = 'machine', ended_at = now(), machine = $2 WHERE id = $1`,
    [attemptId, JSON.stringify(verdict)],
  );
  const { json } = await api.send('GET', `/v1/campaigns/${campaignId}/attempts`, { token: tenant.token });
  expect(json.data).toMatchObject([{ disposition: 'machine', machine: verdict }]);
  const { rows } = await api.db.pool.query(
    `SELECT items FROM event_outbox WHERE campaign_id = $1 AND type = 'attempt.ended'`,
    [campaignId],
  );
  expect(rows).toMatchObject([{ items: [{ attempt_id: attemptId, machine: verdict }] }]);
});

it('what is said to whoever calls back is a message of the tenant', async () => {
  const id = await createCampaign(api, tenant, { inbound_message_id: tenant.messageId });
  const other = await createEquipped(api, { name: 'another' });
  const refused = await change(id, { inbound_message_id: other.messageId });
  expect(refused.json.errors).toEqual([{ field: '/inbound_message_id', message: 'is no message' }]);
  expect((await change(id, { name: 'Prime' })).json.inbound_message_id).toBe(tenant.messageId);
  expect((await change(id, { inbound_message_id: null })).json.inbound_message_id).toBeNull();
});

it.each([
  ['machine_detection', (id: string) => ({ machine_detection: { action: 'leave_message', message_id: id } })],
  ['inbound_message_id', (id: string) => ({ inbound_message_id: id })],
])('a message that a campaign has as its %s is not deleted', async (_, changes) => {
  const upload = { token: tenant.token, body: bells, type: 'audio/wav' };
  const { id: message } = (await api.send('POST', '/v1/messages?name=Knells', upload)).json;
  const id = await createCampaign(api, tenant, changes(message));
  const remove = () => api.send('DELETE', `/v1/messages/${message}`, { token: tenant.token });
  expect((await remove()).json).toMatchObject({ code: 'message_in_use' });
  await change(id, { machine_detection: null, inbound_message_id: null });
  expect((await remove()).status).toBe(204);
});
