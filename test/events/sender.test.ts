import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newWebhookSecret } from '../../src/api/webhook-secret.js';
import { insertDeliveries, redeliver } from '../../src/db/webhook-deliveries.js';
import { insertWebhook, updateWebhookSecret, type Webhook } from '../../src/db/webhooks.js';
import { createSender, type Sender, type SenderOptions } from '../../src/events/webhooks/sender.js';
import { newId } from '../../src/ids.js';
import { createLog } from '../../src/log.js';
import { createWebhookSeal } from '../../src/seal.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { relayAll } from '../support/relay.js';

const seal = createWebhookSeal(Buffer.alloc(32, 7));
const patient = { timeout: 20_000, interval: 20 };
let db: TestDatabase;
let tenant: TenantFixture;

interface Received {
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A receiver that answers as it is told, and what it received. */
interface Receiver {
  url: string;
  received: Received[];
  answer: { status: number; headers?: Record<string, string>; endless?: boolean } | 'nothing' | 'reset';
  server: Server;
}
const receivers: Receiver[] = [];
const senders: Sender[] = [];

async function startReceiver(answer: Receiver['answer'] = { status: 204 }): Promise<Receiver> {
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    receiver.received.push({ url: req.url!, headers: req.headers, body });
    if (receiver.answer === 'nothing') return;
    if (receiver.answer === 'reset') return void req.socket.resetAndDestroy();
    res.writeHead(receiver.answer.status, receiver.answer.headers);
    if (receiver.answer.endless) res.write(Buffer.alloc(8192));
    else res.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received: [],
    answer,
    server,
  };
  receivers.push(receiver);
  return receiver;
}

function send(options: Partial<SenderOptions> = {}): Sender {
  const sender = createSender({
    pool: db.pool,
    secrets: seal,
    allowPrivateHosts: true,
    log: createLog('silent'),
    schedule: [0.01, 0.01, 0.01],
    timeoutMs: 5000,
    ...options,
  });
  senders.push(sender);
  sender.start();
  return sender;
}

beforeAll(async () => {
  db = await createTestDatabase();
});
beforeEach(async () => {
  tenant = await insertTenantFixture(db.pool);
});
afterEach(async () => {
  for (const { server } of receivers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  for (const sender of senders.splice(0)) await sender.stop();
  await db.pool.query('TRUNCATE webhooks CASCADE');
});
afterAll(() => db.drop());

async function addWebhook(url: string, events: Webhook['events'] = ['*']) {
  const id = newId();
  const secret = newWebhookSecret();
  const sealedSecret = seal.seal(tenant.tenantId, id, secret);
  await insertWebhook(db.pool, tenant.tenantId, { id, url, events, enabled: true, sealedSecret });
  return { id, secret };
}

async function addDelivery(webhookId: string, body = '{"type":"webhook.test"}'): Promise<string> {
  const id = newId();
  const type = 'webhook.test';
  await insertDeliveries(db.pool, [{ tenantId: tenant.tenantId, id, webhookId, eventId: id, type, body }]);
  return id;
}

async function row(id: string) {
  const { rows } = await db.pool.query('SELECT * FROM webhook_deliveries WHERE id = $1', [id]);
  return rows[0];
}
const untilState = async (id: string, state: string) => {
  await expect.poll(async () => (await row(id)).state, patient).toBe(state);
  return row(id);
};
const webhookRow = async (id: string) =>
  (await db.pool.query('SELECT * FROM webhooks WHERE id = $1', [id])).rows[0];

describe('a delivery', () => {
  it('is signed so that the library of Standard Webhooks takes it, and no other body or secret', async () => {
    const receiver = await startReceiver();
    const { id: webhook, secret } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook, '{"über":"Größe"}');
    send();
    await untilState(id, 'delivered');
    const [{ headers, body }] = receiver.received as [Received];
    expect(headers).toMatchObject({ 'webhook-id': id, 'content-type': 'application/json' });
    const signed = headers as Record<string, string>;
    expect(new Verifier(secret).verify(body, signed)).toEqual({ über: 'Größe' });
    expect(() => new Verifier(secret).verify(`${body} `, signed)).toThrow();
    expect(() => new Verifier(newWebhookSecret()).verify(body, signed)).toThrow();
    expect(await row(id)).toMatchObject({
      attempts: 1,
      status_code: 204,
      error: null,
      next_attempt_at: null,
    });
  });

  it('is made of each event that a webhook wants, with the event as its body', async () => {
    const all = await startReceiver();
    const some = await startReceiver();
    const ends = await addWebhook(some.url, ['contact.ended', 'campaign.changed']);
    await addWebhook(all.url);
    const off = await addWebhook(some.url);
    await db.pool.query('UPDATE webhooks SET enabled = false WHERE id = $1', [off.id]);
    await insertCampaignFixture(db.pool, tenant, numbersFor('486', 3));
    await db.pool.query(`UPDATE contacts SET state = 'busy'`);
    await relayAll(db.pool);
    send();
    await expect.poll(() => [all.received.length, some.received.length], patient).toEqual([4, 3]);
    const bodies = some.received.map(({ body, headers }) =>
      new Verifier(ends.secret).verify(body, headers as Record<string, string>),
    ) as { id: string; type: string; data: { number: string } }[];
    expect(bodies.map(({ type }) => type)).toEqual(Array(3).fill('contact.ended'));
    expect(bodies.map(({ data }) => data.number).sort()).toEqual(numbersFor('486', 3));
    expect(new Set(bodies.map(({ id }) => id)).size).toBe(3);
  });

  it('is tried again with the same id and a new time, and given up after the last attempt', async () => {
    const receiver = await startReceiver({ status: 500 });
    const { id: webhook, secret } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook);
    send();
    const failed = await untilState(id, 'failed');
    expect(failed).toMatchObject({
      attempts: 4,
      status_code: 500,
      error: 'the receiver answered 500, not 2xx',
    });
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual(Array(4).fill(id));
    for (const { body, headers } of receiver.received) {
      new Verifier(secret).verify(body, headers as Record<string, string>);
    }
    expect(await webhookRow(webhook)).toMatchObject({ enabled: true, failing_since: expect.any(Date) });
    receiver.answer = { status: 200 };
    await redeliver(db.pool, tenant.tenantId, id);
    expect(await untilState(id, 'delivered')).toMatchObject({ attempts: 1 });
    expect(receiver.received.at(-1)!.headers['webhook-id']).toBe(id);
    expect(await webhookRow(webhook)).toMatchObject({ failing_since: null });
  });

  it.each([
    ['reset' as const, 'the connection was broken off'],
    ['nothing' as const, 'no answer within 0.3 s'],
  ])('that gets %s says why', async (answer, error) => {
    const receiver = await startReceiver(answer);
    const { id: webhook } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook);
    send({ schedule: [], timeoutMs: 300 });
    expect(await untilState(id, 'failed')).toMatchObject({ attempts: 1, status_code: null, error });
  });

  it('is not sent where a redirect leads', async () => {
    const elsewhere = await startReceiver();
    const receiver = await startReceiver({ status: 307, headers: { Location: elsewhere.url } });
    const { id: webhook } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook);
    send({ schedule: [] });
    const { error } = await untilState(id, 'failed');
    expect(error).toBe('the receiver answered 307, not 2xx: redirects are not followed');
    expect(elsewhere.received).toEqual([]);
  });

  it('waits as long as Retry-After says', async () => {
    const receiver = await startReceiver({ status: 503, headers: { 'Retry-After': '3600' } });
    const { id: webhook } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook);
    send();
    await expect.poll(async () => (await row(id)).error, patient).toContain('503');
    const { rows } = await db.pool.query(
      'SELECT extract(epoch FROM next_attempt_at - last_attempt_at)::float AS wait FROM webhook_deliveries WHERE id = $1',
      [id],
    );
    expect(Math.abs(rows[0].wait - 3600)).toBeLessThan(30);
  });

  it('that is answered 410 disables its webhook', async () => {
    const receiver = await startReceiver({ status: 410 });
    const { id: webhook } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook);
    send();
    await untilState(id, 'failed');
    expect(await webhookRow(webhook)).toMatchObject({
      enabled: false,
      disabled_reason: 'the receiver answered 410: it wants no more',
    });
    await addDelivery(webhook);
    await addDelivery((await addWebhook(receiver.url)).id);
    await expect.poll(() => receiver.received.length, patient).toBe(2);
  });

  it('that fails disables a webhook of which nothing else was heard for five days, and no sooner', async () => {
    const receiver = await startReceiver({ status: 500 });
    const { id: webhook } = await addWebhook(receiver.url);
    const since = (days: number) =>
      db.pool.query(`UPDATE webhooks SET failing_since = now() - make_interval(days => $2) WHERE id = $1`, [
        webhook,
        days,
      ]);
    await since(4);
    send({ schedule: [] });
    await untilState(await addDelivery(webhook), 'failed');
    expect(await webhookRow(webhook)).toMatchObject({ enabled: true });
    await since(6);
    await untilState(await addDelivery(webhook), 'failed');
    await expect
      .poll(() => webhookRow(webhook), patient)
      .toMatchObject({ enabled: false, disabled_reason: 'every delivery failed for 5 days' });
  });

  it('is delivered although its answer never ends', async () => {
    const receiver = await startReceiver({ status: 200, endless: true });
    const { id: webhook } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook);
    send();
    expect(await untilState(id, 'delivered')).toMatchObject({ attempts: 1 });
  });

  it('that a process died over is sent by another when the lease has run out', async () => {
    const receiver = await startReceiver('nothing');
    const { id: webhook } = await addWebhook(receiver.url);
    const id = await addDelivery(webhook);
    // Claims it, sends it, and has nothing to say until another has delivered it.
    const first = send({ leaseSeconds: 1, timeoutMs: 4000 });
    await expect.poll(() => receiver.received.length, patient).toBe(1);
    const stopped = first.stop();
    receiver.answer = { status: 200 };
    send();
    expect(await untilState(id, 'delivered')).toMatchObject({ attempts: 2 });
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id]);
    await stopped;
    expect(await row(id)).toMatchObject({ state: 'delivered', attempts: 2, status_code: 200 });
  });
});

it('says what to do about a secret that cannot be read, and sends nothing', async () => {
  const receiver = await startReceiver();
  const { id: webhook } = await addWebhook(receiver.url);
  await db.pool.query(`UPDATE webhooks SET sealed_secret = '\\x00'`);
  const id = await addDelivery(webhook);
  send();
  await expect
    .poll(async () => (await row(id)).error, patient)
    .toEqual(expect.stringContaining(`POST /v1/webhooks/${webhook}/rotate-secret`));
  expect(receiver.received).toEqual([]);
});

describe('several webhooks', () => {
  it('do not wait for one that does not answer', async () => {
    const dead = await startReceiver('nothing');
    const alive = await startReceiver();
    const { id: stuck } = await addWebhook(dead.url);
    for (let i = 0; i < 200; i++) await addDelivery(stuck);
    const { id: fine } = await addWebhook(alive.url);
    for (let i = 0; i < 20; i++) await addDelivery(fine);
    send();
    await expect.poll(() => alive.received.length, patient).toBe(20);
    expect(dead.received.length).toBe(5);
  });

  it('get each delivery once, however many processes send', async () => {
    const receiver = await startReceiver();
    const { id: webhook } = await addWebhook(receiver.url);
    const ids = [];
    for (let i = 0; i < 60; i++) ids.push(await addDelivery(webhook));
    for (let i = 0; i < 4; i++) send();
    for (const id of ids) await untilState(id, 'delivered');
    expect(receiver.received.map(({ headers }) => headers['webhook-id']).sort()).toEqual(ids.sort());
  });
});

describe('a secret that was rotated', () => {
  it('signs along for a day, and not longer', async () => {
    const receiver = await startReceiver();
    const { id: webhook, secret: old } = await addWebhook(receiver.url);
    const secret = newWebhookSecret();
    await updateWebhookSecret(db.pool, tenant.tenantId, webhook, seal.seal(tenant.tenantId, webhook, secret));
    const verify = (by: string) => {
      const { body, headers } = receiver.received.at(-1)!;
      return new Verifier(by).verify(body, headers as Record<string, string>);
    };
    send();
    await untilState(await addDelivery(webhook), 'delivered');
    verify(secret);
    verify(old);
    await db.pool.query(`UPDATE webhooks SET old_secret_until = now() - interval '1 s'`);
    await untilState(await addDelivery(webhook), 'delivered');
    verify(secret);
    expect(() => verify(old)).toThrow();
  });
});
