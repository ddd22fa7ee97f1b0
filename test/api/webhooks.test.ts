import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiFixture, startApi } from './client.js';
import { createTenant, type TenantOnApi, unknownId } from './fixtures.js';

let api: ApiFixture;
let tenant: TenantOnApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const url = 'https://203.0.113.7/hook';
const send = (method: string, path: string, body?: unknown) =>
  api.send(method, path, { token: tenant.token, ...(body === undefined ? {} : { body }) });

beforeAll(async () => {
  tenant = await createTenant(api);
});

describe('a webhook', () => {
  it('shows its secret when it is made and when that is rotated, and never again', async () => {
    const made = (await send('POST', '/v1/webhooks', { url, events: ['attempt.ended'] })).json;
    expect(made).toMatchObject({ url, events: ['attempt.ended'], enabled: true, old_secret_until: null });
    expect(Buffer.from(made.secret.replace(/^whsec_/, ''), 'base64').length).toBe(32);
    const shown = (await send('GET', `/v1/webhooks/${made.id}`)).json;
    expect(shown).not.toHaveProperty('secret');
    const rotated = (await send('POST', `/v1/webhooks/${made.id}/rotate-secret`)).json;
    expect(rotated.secret).not.toBe(made.secret);
    expect(new Date(rotated.old_secret_until).getTime()).toBeGreaterThan(Date.now() + 23 * 3600_000);
    const { rows } = await api.db.pool.query(
      'SELECT to_jsonb(w)::text || (SELECT jsonb_agg(a)::text FROM audit_log a) AS all FROM webhooks w',
    );
    for (const { secret } of [made, rotated]) {
      const bytes = Buffer.from(secret.slice(6), 'base64').toString('hex');
      for (const form of [secret, secret.slice(6), bytes]) expect(rows[0].all).not.toContain(form);
    }
  });

  it('is listed, changed, disabled, enabled again and deleted', async () => {
    const { id } = (await send('POST', '/v1/webhooks', { url })).json;
    expect((await send('GET', '/v1/webhooks')).json.data.map((w: { id: string }) => w.id)).toContain(id);
    await api.db.pool.query(
      `UPDATE webhooks SET enabled = false, disabled_reason = 'gone', failing_since = now()`,
    );
    const on = (await send('PATCH', `/v1/webhooks/${id}`, { enabled: true, events: ['contact.ended'] })).json;
    expect(on).toMatchObject({
      enabled: true,
      disabled_reason: null,
      failing_since: null,
      events: ['contact.ended'],
    });
    expect((await send('PATCH', `/v1/webhooks/${id}`, { enabled: false })).json.enabled).toBe(false);
    expect((await send('DELETE', `/v1/webhooks/${id}`)).status).toBe(204);
    expect((await send('GET', `/v1/webhooks/${id}`)).status).toBe(404);
  });

  it.each([
    'http://203.0.113.7/hook',
    'https://127.0.0.1/hook',
    'https://[::1]/hook',
    'https://[::ffff:169.254.169.254]/',
    'https://169.254.169.254/latest',
    'https://localhost/hook',
    'https://crm.internal./hook',
    'https://user:password@203.0.113.7/',
    'ftp://203.0.113.7/',
    'crm',
  ])('may not be at %s', async (bad) => {
    const reply = await send('POST', '/v1/webhooks', { url: bad });
    expect(reply.status).toBe(422);
    expect(reply.json.errors[0].field).toBe('/url');
    const { id } = (await send('POST', '/v1/webhooks', { url })).json;
    expect((await send('PATCH', `/v1/webhooks/${id}`, { url: bad })).status).toBe(422);
    await send('DELETE', `/v1/webhooks/${id}`);
  });

  it('wants events that there are', async () => {
    for (const events of [[], ['attempt.eaten'], ['*', '*'], 'attempt.ended']) {
      expect((await send('POST', '/v1/webhooks', { url, events })).status).toBe(422);
    }
  });

  it('is one of twenty at most', async () => {
    const other = await createTenant(api);
    const make = () => api.send('POST', '/v1/webhooks', { token: other.token, body: { url } });
    for (let i = 0; i < 20; i++) expect((await make()).status).toBe(201);
    expect((await make()).json.code).toBe('too_many_webhooks');
  });
});

describe('where the operator allows it', () => {
  it('a webhook may be at a private address and take plain http', async () => {
    const open = await startApi({ allowPrivateWebhooks: true });
    const { token } = await createTenant(open);
    const body = { url: 'http://127.0.0.1:8080/hook' };
    expect((await open.send('POST', '/v1/webhooks', { token, body })).status).toBe(201);
    await open.stop();
  });
});

describe('deliveries', () => {
  it('are listed, the newest first, by state and page by page', async () => {
    const { id } = (await send('POST', '/v1/webhooks', { url })).json;
    const made: string[] = [];
    for (let i = 0; i < 3; i++) made.push((await send('POST', `/v1/webhooks/${id}/test`)).json.id);
    await api.db.pool.query(
      `UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, error = 'no' WHERE id = $1`,
      [made[1]],
    );
    const list = async (query = '') => {
      const { data, next } = (await send('GET', `/v1/webhooks/${id}/deliveries${query}`)).json;
      return { ids: data.map((d: { id: string }) => d.id), next };
    };
    expect((await list()).ids).toEqual(made.toReversed());
    expect((await list('?state=failed')).ids).toEqual([made[1]]);
    const first = await list('?limit=2');
    expect((await list(`?limit=2&after=${first.next}`)).ids).toEqual([made[0]]);
    const again = (await send('POST', `/v1/webhook-deliveries/${made[1]}/redeliver`)).json;
    expect(again).toMatchObject({ id: made[1], state: 'pending', attempts: 0 });
    expect((await send('GET', `/v1/webhook-deliveries/${made[1]}`)).json).toEqual(again);
  });

  it('are refused to a webhook that is disabled, and of one that is unknown', async () => {
    const { id } = (await send('POST', '/v1/webhooks', { url })).json;
    const { id: delivery } = (await send('POST', `/v1/webhooks/${id}/test`)).json;
    await send('PATCH', `/v1/webhooks/${id}`, { enabled: false });
    expect((await send('POST', `/v1/webhooks/${id}/test`)).json.code).toBe('webhook_disabled');
    expect((await send('POST', `/v1/webhook-deliveries/${delivery}/redeliver`)).json.code).toBe(
      'webhook_disabled',
    );
    expect((await send('GET', `/v1/webhook-deliveries/${delivery}`)).json.attempts).toBe(0);
    expect((await send('POST', `/v1/webhooks/${unknownId}/test`)).status).toBe(404);
    expect((await send('GET', `/v1/webhooks/${unknownId}/deliveries`)).status).toBe(404);
    expect((await send('POST', `/v1/webhook-deliveries/${unknownId}/redeliver`)).status).toBe(404);
  });
});
