import { createHmac } from 'node:crypto';
import { expect, vi } from 'vitest';
import { issueToken } from '../../src/api/token.js';
import { newId } from '../../src/ids.js';
import { toneWav } from '../../src/messages/tone.js';
import { type ApiFixture, adminToken, type Reply, secret } from './client.js';

/** A tenant with its token, made over the API like everything here. */
export interface TenantOnApi {
  id: string;
  token: string;
}

export interface Equipped extends TenantOnApi {
  trunkId: string;
  messageId: string;
  /** A flow that plays the message. */
  flowId: string;
  /** A suppression list, with one number. */
  listId: string;
  keyId: string;
  /** An erasure, of `erasedNumber`. */
  erasureId: string;
  /** A webhook that wants everything, and a delivery to it, which nobody sends. */
  webhookId: string;
  deliveryId: string;
  /** A transfer destination. */
  destinationId: string;
  /** Of a recording that `insertAttempt` makes. */
  recordingId: string;
}

/** Half a second that can be played as it is. */
export const bells = toneWav(0.5);
export const unknownId = '01900000-0000-7000-8000-000000000000';

/** Numbers of a German range, all different. */
export function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `+49301${String(100_000 + from + i)}`);
}

function created(reply: Reply): Reply {
  if (reply.status !== 201) throw new Error(`not created: ${JSON.stringify(reply.json)}`);
  return reply;
}

export async function createTenant(api: ApiFixture, changes: object = {}): Promise<TenantOnApi> {
  const reply = await api.send('POST', '/v1/tenants', {
    token: adminToken,
    body: { name: 'Parish', ports: 10, ...changes },
  });
  const { id } = created(reply).json;
  return { id, token: issueToken(secret, { tenantId: id }, 3600) };
}

/** A number on the suppression list of every equipped tenant. */
export const suppressedNumber = '+493019999999';
export const erasedNumber = '+493019999998';

/** A tenant with a trunk, a message, a suppression list, an API key and a webhook. */
export async function createEquipped(api: ApiFixture, changes: object = {}): Promise<Equipped> {
  const tenant = await createTenant(api, changes);
  const trunk = await api.send('POST', `/v1/trunks?tenant_id=${tenant.id}`, {
    token: adminToken,
    body: { name: 'Carrier', template: 'direct', pbx_trunk: 'carrier1', ports: 5 },
  });
  const message = await api.send('POST', '/v1/messages?name=Bells', {
    token: tenant.token,
    body: bells,
    type: 'audio/wav',
  });
  const flow = await api.send('POST', '/v1/flows', {
    token: tenant.token,
    body: flowBody(created(message).json.id),
  });
  const list = await api.send('POST', '/v1/suppression-lists', {
    token: tenant.token,
    body: { name: 'No more' },
  });
  const listId: string = created(list).json.id;
  const added = await api.send('POST', `/v1/suppression-lists/${listId}/numbers`, {
    token: tenant.token,
    body: [suppressedNumber],
  });
  created(added);
  const key = await api.send('POST', '/v1/api-keys', {
    token: tenant.token,
    body: { name: 'CRM', role: 'tenant' },
  });
  const erasure = await api.send('POST', '/v1/erasures', {
    token: tenant.token,
    body: { number: erasedNumber },
  });
  const webhook = await api.send('POST', '/v1/webhooks', {
    token: tenant.token,
    body: { url: 'https://203.0.113.7/hook' },
  });
  const webhookId: string = created(webhook).json.id;
  const delivery = await api.send('POST', `/v1/webhooks/${webhookId}/test`, { token: tenant.token });
  const destination = await api.send('POST', '/v1/transfer-destinations', {
    token: tenant.token,
    body: { name: 'Verger', kind: 'number', target: '+4930123456', ports: 2 },
  });
  const [trunkId, messageId, flowId, keyId, erasureId, deliveryId, destinationId] = [
    ...[trunk, message, flow, key, erasure, delivery, destination],
  ].map((reply) => created(reply).json.id);
  const recordingId = newId();
  return {
    ...tenant,
    ...{
      trunkId,
      messageId,
      flowId,
      listId,
      keyId,
      erasureId,
      webhookId,
      deliveryId,
      destinationId,
      recordingId,
    },
  };
}

/** A flow as it is saved, which plays a message. */
export function flowBody(messageId: string, name = 'Bells'): { name: string; definition: object } {
  return { name, definition: { start: 'ring', steps: { ring: { type: 'play', message: messageId } } } };
}

/** A draft campaign; returns its id. */
export async function createCampaign(
  api: ApiFixture,
  tenant: Equipped,
  changes: object = {},
): Promise<string> {
  const reply = await api.send('POST', '/v1/campaigns', {
    token: tenant.token,
    body: { name: 'Vespers', trunk_ids: [tenant.trunkId], message_id: tenant.messageId, ...changes },
  });
  return created(reply).json.id;
}

/** A try of the tenant's flow; returns its id. */
export async function createTry(api: ApiFixture, tenant: Equipped): Promise<string> {
  const reply = await api.send('POST', `/v1/flows/${tenant.flowId}/try`, {
    token: tenant.token,
    body: { number: numbers(1, 900)[0], trunk_id: tenant.trunkId },
  });
  return created(reply).json.id;
}

/** An import of a number that is there already and of one that is none; returns its id. */
export async function createImport(
  api: ApiFixture,
  tenant: TenantOnApi,
  campaignId: string,
): Promise<string> {
  const reply = await api.send('POST', `/v1/campaigns/${campaignId}/imports`, {
    token: tenant.token,
    body: `number\n${numbers(1)[0]}\nnone\n`,
    type: 'text/csv',
  });
  const { id } = created(reply).json;
  const state = async () => (await api.send('GET', `/v1/imports/${id}`, { token: tenant.token })).json.state;
  await vi.waitFor(async () => expect(await state()).toBe('completed'));
  return id;
}

export async function addContacts(
  api: ApiFixture,
  tenant: TenantOnApi,
  campaignId: string,
  list: readonly string[],
): Promise<void> {
  created(
    await api.send('POST', `/v1/campaigns/${campaignId}/contacts`, {
      token: tenant.token,
      body: { contacts: list.map((number) => ({ number })) },
    }),
  );
}

/** Writes down an attempt at the first contact of a campaign, as the scheduler would, and what was said in it; returns the ids. */
export async function insertAttempt(
  api: ApiFixture,
  tenant: Equipped,
  campaignId: string,
): Promise<{ attemptId: string; contactId: string }> {
  const { pool } = api.db;
  await pool.query(`INSERT INTO nodes (name, ports) VALUES ('node', 10) ON CONFLICT DO NOTHING`);
  const attemptId = newId();
  const { rows } = await pool.query<{ contact_id: string }>(
    `WITH taken AS (
        UPDATE contacts SET state = 'calling', attempts = attempts + 1
        WHERE id = (SELECT id FROM contacts WHERE campaign_id = $3 AND state = 'pending' ORDER BY id LIMIT 1)
        RETURNING id, number, attempts)
      INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal)
      SELECT $1, $2, $3, id, $4, 'carrier1', 'node', number, attempts FROM taken RETURNING contact_id`,
    [tenant.id, attemptId, campaignId, tenant.trunkId],
  );
  await pool.query(
    `INSERT INTO recordings (tenant_id, id, attempt_id, campaign_id, step, seconds, audio)
      VALUES ($1, $2, $3, $4, 'ask', 0.5, $5) ON CONFLICT DO NOTHING`,
    [tenant.id, tenant.recordingId, attemptId, campaignId, Buffer.from('RIFF')],
  );
  return { attemptId, contactId: rows[0]!.contact_id };
}

/** A call back of the first contact of a campaign. */
export async function insertInboundCall(
  api: ApiFixture,
  tenant: TenantOnApi,
  campaignId: string,
): Promise<void> {
  await api.db.pool.query(
    `INSERT INTO inbound_calls (tenant_id, id, campaign_id, contact_id, attempt_id, number, called, steps, answers)
      SELECT $1, $2, $3, id, id, number, '+12125550100', '[{"step": "message"}]', '{}'
      FROM contacts WHERE campaign_id = $3 ORDER BY id LIMIT 1`,
    [tenant.id, newId(), campaignId],
  );
}

/** All that is in the database, as text: to see that nothing changed. */
export async function everything(api: ApiFixture): Promise<string> {
  const { rows: tables } = await api.db.pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
  );
  const found = await Promise.all(
    tables.map(({ name }) => api.db.pool.query(`SELECT to_jsonb(t) AS row FROM ${name} t ORDER BY t::text`)),
  );
  return JSON.stringify(found.map(({ rows }) => rows));
}

/** A token by hand, signed as its header says, whatever is in it. */
export function forge(
  payload: object,
  header: { alg: string; [name: string]: unknown } = { alg: 'HS256' },
  by: Buffer = secret,
): string {
  const text = [header, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const hash = header.alg === 'HS512' ? 'sha512' : 'sha256';
  return `${text}.${createHmac(hash, by).update(text).digest('base64url')}`;
}
