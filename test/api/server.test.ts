import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../src/api/server.js';
import { createLog } from '../../src/log.js';
import { convertPlainWav } from '../../src/messages/convert.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { adminToken, secret } from './client.js';

const log = createLog('silent');
const where = { host: '127.0.0.1', port: 0 };
let db: TestDatabase;
const started: Api[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
});
afterEach(async () => {
  for (const api of started.splice(0)) await api.stop(0);
});
afterAll(() => db.drop());

function create(): Api {
  const api = createApi({ pool: db.pool, secret, log, convertAudio: convertPlainWav });
  started.push(api);
  return api;
}

/** A request whose body is not whole yet. */
async function beginRequest(port: number) {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  const body = '{"name":"A","ports":1}';
  socket.write(
    `POST /v1/tenants HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${adminToken}\r\nExpect: 100-continue\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  await expect.poll(() => heard).toContain('100 Continue');
  return { socket, finish: () => socket.write(body), heard: () => heard, closed: once(socket, 'close') };
}

describe('the server', () => {
  it('starts on a free port, and does not answer any more once it has stopped', async () => {
    const api = create();
    const { port } = await api.start(where);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    await api.stop();
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
  });

  it('stops at once although connections are kept alive', async () => {
    const api = create();
    const { port } = await api.start(where);
    await fetch(`http://127.0.0.1:${port}/healthz`);
    const before = performance.now();
    await api.stop(20_000);
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it('answers what it began, and closes that connection, before it has stopped', async () => {
    const api = create();
    const { port } = await api.start(where);
    const request = await beginRequest(port);
    let stopped = false;
    const stopping = api.stop(20_000).then(() => {
      stopped = true;
    });
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
    expect(stopped).toBe(false);
    request.finish();
    await stopping;
    await request.closed;
    expect(request.heard()).toContain('201 Created');
    expect(request.heard()).toMatch(/^connection: close\r$/im);
  });

  it('cuts off what does not end in time', async () => {
    const api = create();
    const { port } = await api.start(where);
    const request = await beginRequest(port);
    await api.stop(50);
    await request.closed;
    expect(request.heard()).not.toContain('201 Created');
  });

  it('may be stopped twice, or without a start', async () => {
    const api = create();
    await api.stop();
    const other = create();
    await other.start(where);
    await Promise.all([other.stop(), other.stop()]);
    await other.stop();
  });

  it('says so when the port is taken', async () => {
    const { port } = await create().start(where);
    await expect(create().start({ ...where, port })).rejects.toMatchObject({
      code: 'cannot_listen',
      message: expect.stringContaining(`cannot listen on 127.0.0.1:${port}`),
    });
  });

  it('is not made with a secret that is too short', () => {
    expect(() =>
      createApi({ pool: db.pool, secret: Buffer.alloc(31), log, convertAudio: convertPlainWav }),
    ).toThrow('31 bytes');
  });
});
