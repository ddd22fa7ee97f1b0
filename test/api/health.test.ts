import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createApi } from '../../src/api/server.js';
import { createPool } from '../../src/db/pool.js';
import { createLog } from '../../src/log.js';
import { convertPlainWav } from '../../src/messages/convert.js';
import { createTestDatabase } from '../support/database.js';
import { adminToken, freePort, secret, startApi } from './client.js';

const log = createLog('silent');
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The API on a database, with a statement limit. */
async function startOn(databaseUrl: string, statementSeconds = 30): Promise<string> {
  const pool = createPool(databaseUrl, log, { statementSeconds });
  const api = createApi({ pool, secret, log, convertAudio: convertPlainWav });
  cleanups.push(
    () => pool.end(),
    () => api.stop(0),
  );
  return `http://127.0.0.1:${(await api.start({ host: '127.0.0.1', port: 0 })).port}`;
}

const nobodysUrl = (port: number) => `postgres://nobody@127.0.0.1:${port}/none`;

describe('/healthz', () => {
  it('answers 200 without a token when the database answers', async () => {
    const api = await startApi();
    cleanups.push(() => api.stop());
    const reply = await api.send('GET', '/healthz');
    expect(reply.status).toBe(200);
    expect(reply.json).toEqual({ status: 'ok' });
  });

  it('answers 503 when there is no database', async () => {
    const reply = await fetch(`${await startOn(nobodysUrl(await freePort()))}/healthz`);
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ code: 'database_unavailable', status: 503 });
  });

  it('answers 503 after a second when the database says nothing', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const sockets: { destroy(): void }[] = [];
    mute.on('connection', (socket) => sockets.push(socket.on('error', () => {})));
    cleanups.push(async () => mute.close());
    const address = mute.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const started = performance.now();
    const reply = await fetch(`${await startOn(nobodysUrl(address.port))}/healthz`);
    expect(reply.status).toBe(503);
    expect(performance.now() - started).toBeGreaterThan(900);
    for (const socket of sockets) socket.destroy();
  });
});

describe('a route', () => {
  const headers = { Authorization: `Bearer ${adminToken}` };

  it('answers 503 when there is no database', async () => {
    const reply = await fetch(`${await startOn(nobodysUrl(await freePort()))}/v1/tenants`, { headers });
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ code: 'database_unavailable' });
  });

  it('answers 503 when the database takes too long', async () => {
    const db = await createTestDatabase();
    cleanups.push(() => db.drop());
    const url = await startOn(db.url, 0.1);
    const holder = await db.pool.connect();
    cleanups.push(async () => holder.release(true));
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE tenants');
    const reply = await fetch(`${url}/v1/tenants`, { headers });
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ code: 'database_unavailable' });
  });
});
