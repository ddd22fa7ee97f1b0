import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { callIdOf } from '../../src/calls/call-id.js';
import { flowDefinition, type StepOf } from '../../src/calls/flow/schema.js';
import { upsertFlowSecret } from '../../src/db/flow-secrets.js';
import type { Asked } from '../../src/events/webhooks/ask.js';
import { signedHeaders } from '../../src/events/webhooks/sign.js';
import { newId } from '../../src/ids.js';
import { askServer } from '../../src/node/ask-server.js';
import type { OpenCall } from '../../src/node/open-calls.js';
import { createWebhookSeal } from '../../src/seal.js';
import { insertTenantFixture } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { keptLog } from '../support/line.js';

const URL = 'https://crm.example.com/slots?key=s3cret';
const flow = flowDefinition.parse({
  start: 'ask',
  steps: { ask: { type: 'webhook', url: URL, save: ['slot', 'price', 'free', 'none', 'odd'] } },
});
const step = flow.steps.ask as StepOf<'webhook'>;
const secrets = createWebhookSeal(Buffer.alloc(32, 7));

let database: TestDatabase;
let tenantId: string;
let call: OpenCall;
let sent: { url: string; headers: Record<string, string>; body: string }[];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  ({ tenantId } = await insertTenantFixture(database.pool));
  sent = [];
  call = {
    callId: callIdOf(tenantId, newId()),
    number: '+12125550123',
    campaignId: newId(),
    contactId: newId(),
    fields: { name: 'Ann' },
    content: { flow },
  } as unknown as OpenCall;
});

async function ask(asked: Asked) {
  const { log, lines } = keptLog();
  const failed: string[] = [];
  const asker = {
    async ask(url: string, headers: Record<string, string>, body: string) {
      sent.push({ url, headers, body });
      return asked;
    },
    stop() {},
  };
  const options = { pool: database.pool, asker, secrets, log };
  const got = await askServer(call, step, { reply: '1' }, (reason) => failed.push(reason), options);
  return { got, failed, lines };
}

it('tells who is called and what he answered so far, signed with the secret and the one before', async () => {
  const answer = { slot: 'Tue', price: 12.5, free: true, odd: { a: 1 }, more: 'x' };
  const { got } = await ask({ answer, error: null });
  expect(got).toEqual({ slot: 'Tue', price: '12.5', free: 'true' });
  expect(sent[0]!.url).toBe(URL);
  expect(JSON.parse(sent[0]!.body)).toMatchObject({
    type: 'flow.webhook',
    step: 'ask',
    tenant_id: tenantId,
    campaign_id: call.campaignId,
    attempt_id: call.callId.split('.')[1],
    contact: { id: call.contactId, number: '+12125550123', fields: { name: 'Ann' } },
    answers: { reply: '1' },
  });
  expect(sent[0]!.headers).not.toHaveProperty('webhook-signature');
  const [old, newer] = [1, 2].map((n) => `whsec_${Buffer.alloc(32, n).toString('base64')}`) as [
    string,
    string,
  ];
  for (const secret of [old, newer])
    await upsertFlowSecret(database.pool, tenantId, secrets.seal(tenantId, tenantId, secret));
  await ask({ answer, error: null });
  const { headers, body } = sent[1]!;
  const at = new Date(Number(headers['webhook-timestamp']) * 1000);
  expect(headers).toMatchObject(signedHeaders(headers['webhook-id']!, at, body, [newer, old]));
});

it('tells why it failed, and never what stands in the address', async () => {
  const { got, failed, lines } = await ask({ answer: null, error: 'no answer within 3 s' });
  expect(got).toBeNull();
  expect(failed).toEqual(['no answer within 3 s']);
  expect(lines).toMatchObject([{ host: 'crm.example.com', reason: 'no answer within 3 s' }]);
  expect(JSON.stringify(lines)).not.toContain('s3cret');
});

it('keeps only what the database can', async () => {
  const { got } = await ask({ answer: { slot: `a\0b\ud800${'x'.repeat(5000)}` }, error: null });
  expect(got!.slot).toHaveLength(1999);
  expect(got!.slot).toMatch(/^ab\ufffdx+$/);
});
