import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { adminToken, fieldsOf } from './client.js';
import { createTenant, type TenantOnApi } from './fixtures.js';
import { useApi } from './use.js';

let tenant: TenantOnApi;
let logged: Record<string, unknown>[] = [];
const lines = new Writable({
  write(line, _, done) {
    logged.push(JSON.parse(line));
    done();
  },
});
const api = useApi({ log: pino({ level: 'debug' }, lines) });
beforeAll(async () => {
  tenant = await createTenant(api);
});
afterEach(() => {
  logged = [];
});

const post = (body: unknown, type?: string, headers?: Record<string, string>) =>
  api.send('POST', '/v1/tenants', {
    token: adminToken,
    body,
    ...(type === undefined ? {} : { type }),
    ...(headers ? { headers } : {}),
  });

describe('a request', () => {
  it('for an unknown path gets 404', async () => {
    for (const path of ['/', '/v1', '/v1/bells', '/v2/tenants', '/v1/tenants/a/b']) {
      expect((await api.send('GET', path, { token: adminToken })).json.code).toBe('not_found');
    }
  });

  it('with a wrong method gets 405 and the right ones', async () => {
    const reply = await api.send('DELETE', '/v1/tenants', { token: adminToken });
    expect(reply.json.code).toBe('method_not_allowed');
    expect(reply.headers.get('Allow')).toBe('POST, HEAD, GET');
  });

  it('with another content type gets 415', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=utf-16',
    ]) {
      expect((await post('{"name":"A","ports":1}', type)).json.code).toBe('content_type_unsupported');
    }
    const none = await api.send('POST', '/v1/tenants', { token: adminToken });
    expect(none.json).toMatchObject({ status: 415, detail: expect.stringContaining('no content type') });
  });

  it('with a compressed body gets 415', async () => {
    const reply = await post('{"name":"A","ports":1}', 'application/json', { 'Content-Encoding': 'gzip' });
    expect(reply.status).toBe(415);
  });

  it('with a body that is not JSON gets 400', async () => {
    for (const body of ['{', '', 'name', '{"name":"A","ports":1}}']) {
      const reply = await post(body, 'application/json');
      expect(reply.json).toMatchObject({ status: 400, code: 'json_invalid' });
    }
    expect((await post(Buffer.from([0x22, 0xff, 0x22]), 'application/json')).json.code).toBe('not_utf8');
  });

  it('with a body that is no object gets 422', async () => {
    for (const body of ['null', '[]', '"A"', '3']) {
      expect((await post(body, 'application/json')).json.errors[0].field).toBe('/');
    }
  });

  it('with a body that is too large gets 413', async () => {
    expect((await post({ name: 'x'.repeat(300_000), ports: 1 })).json.code).toBe('body_too_large');
  });

  it('with text that Postgres cannot store gets 422', async () => {
    for (const name of ['a\0', '\ud83d', '\udd14x']) {
      const reply = await post({ name, ports: 1 });
      expect(reply.json.errors).toEqual([{ field: '/name', message: expect.stringContaining('NUL') }]);
    }
    expect((await post({ name: 'bell \ud83d\udd14', ports: 1 })).json.name).toBe('bell 🔔');
  });

  it('with properties that nobody knows gets 422, whatever their names', async () => {
    const reply = await post(
      '{"name":"A","ports":1,"__proto__":{"a":1},"constructor":2}',
      'application/json',
    );
    expect(fieldsOf(reply.json)).toEqual(['/__proto__', '/constructor']);
  });

  it('is told its id, which is in the log as well, and leaves no token there', async () => {
    const reply = await api.send('GET', '/v1/trunks', { token: tenant.token });
    const id = reply.headers.get('X-Request-Id');
    expect(logged).toContainEqual(
      expect.objectContaining({ request_id: id, status: 200, path: '/v1/trunks' }),
    );
    await api.send('GET', '/v1/trunks', { token: `${tenant.token}x` });
    expect(JSON.stringify(logged)).not.toContain(tenant.token);
  });

  it('is not to be kept or guessed at by what it passes through', async () => {
    const { headers } = await api.send('GET', '/v1/trunks', { token: tenant.token });
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
  });

  it('that fails in a way nobody thought of gets a plain 500; the log has the cause', async () => {
    await api.db.pool.query('ALTER TABLE messages RENAME TO lost');
    try {
      const reply = await api.send('GET', '/v1/messages', { token: tenant.token });
      expect(reply.json).toEqual({
        type: expect.stringMatching(/^\/docs\/errors#\w+$/),
        title: 'Internal Server Error',
        status: 500,
        detail: expect.any(String),
        code: 'internal',
      });
      expect(JSON.stringify(reply.json)).not.toContain('messages');
      const line = logged.find(({ level }) => level === 50);
      expect(line).toMatchObject({
        request_id: reply.headers.get('X-Request-Id'),
        err: { message: expect.stringContaining('relation "messages" does not exist') },
      });
    } finally {
      await api.db.pool.query('ALTER TABLE lost RENAME TO messages');
    }
  });
});

describe('a request', () => {
  it('that expects what nobody knows is answered as if it did not', async () => {
    const { hostname, port } = new URL(api.url);
    const sent = request({ hostname, port, path: '/healthz', headers: { Expect: 'bells' } }).end();
    const [answer] = await once(sent, 'response');
    expect(answer.statusCode).toBe(200);
    answer.resume();
  });

  it('with thousands of wrong fields is told a hundred of them, and how many there are', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`f${i}`, 1]));
    const reply = await post({ name: 'A', ports: 1, ...unknown });
    expect(reply.json).toMatchObject({ code: 'fields_invalid', error_count: 20_000 });
    expect(reply.json.errors).toHaveLength(100);
  });
});

describe('a connection', () => {
  /** Sends raw bytes and returns all that comes back until the server closes. */
  async function raw(text: string): Promise<string> {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.write(text);
    await once(socket, 'close');
    return heard;
  }

  it('that does not speak HTTP gets a problem document and is closed', async () => {
    const heard = await raw('EHLO bells\r\n\r\n');
    expect(heard).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(heard).toContain('"code":"http_invalid"');
  });

  it('with headers of more than 16 KiB gets 431', async () => {
    const heard = await raw(`GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(17 * 1024)}\r\n\r\n`);
    expect(heard).toMatch(/^HTTP\/1.1 431 /);
  });

  it('that breaks off in the middle of a body harms nobody', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/tenants HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${adminToken}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name":',
    );
    await expect.poll(() => api.send('GET', '/healthz').then((r) => r.status)).toBe(200);
    socket.destroy();
    await once(socket, 'close');
    await expect
      .poll(() => logged.some((line) => line.path === '/v1/tenants' && line.status === 400))
      .toBe(true);
    expect(logged.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});
