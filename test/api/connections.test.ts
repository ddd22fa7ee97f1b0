import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { adminToken } from './client.js';
import { createTenant } from './fixtures.js';
import { useApi } from './use.js';

/** Paths of the requests that were answered. */
const answered: string[] = [];
const lines = new Writable({
  write(line, _, done) {
    answered.push(JSON.parse(line).path);
    done();
  },
});
const api = useApi({ requestMs: 1500, stalledMs: 1500, log: pino({ level: 'debug' }, lines) });
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A connection of which nothing is read unless somebody does; `allowHalfOpen`: it is not closed because the server closes it. */
async function open(): Promise<Socket> {
  const socket = connect({ port: Number(new URL(api.url).port), host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket.on('error', () => {}));
  await once(socket, 'connect');
  return socket;
}

const served = async () => expect((await api.send('GET', '/healthz')).status).toBe(200);
const rss = () => process.memoryUsage().rss;
const patient = { timeout: 25_000, interval: 50 };

/** What comes until the server lets go of the connection, as it must although the client would keep it. */
async function lastWords(socket: Socket): Promise<string> {
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  const timer = setInterval(() => socket.write('x'), 100); // finds out that nobody is there any more
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(timer);
  return heard;
}

describe('connections', () => {
  it('of which 2,000 are silent cost little, keep nobody from being served, and are closed', async () => {
    const before = rss();
    const silent: Socket[] = [];
    // More at once than the system lets wait would be lost on the way.
    while (silent.length < 2000) silent.push(...(await Promise.all(Array.from({ length: 200 }, open))));
    await served();
    expect(rss() - before).toBeLessThan(200_000_000);
    let ended = 0;
    for (const socket of silent) socket.on('end', () => ended++).resume();
    await expect.poll(() => ended, patient).toBe(2000);
    await served();
  }, 60_000);

  it('with headers that come a byte at a time are closed', async () => {
    const slow = await open();
    slow.write('GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ');
    await served();
    expect(await lastWords(slow)).toContain('"code":"request_timeout"');
  }, 60_000);

  it('with a body that comes a byte at a time are closed', async () => {
    const slow = await open();
    slow.write(
      `POST /v1/tenants HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${adminToken}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
    );
    expect(await lastWords(slow)).toContain('"code":"request_timeout"');
    await served();
  }, 60_000);
});

describe('answers that nobody reads', () => {
  let tenant: string;
  beforeAll(async () => {
    tenant = (await createTenant(api, { requests_per_minute: null })).token;
  });

  it('are made one at a time, however many requests come at once', async () => {
    const socket = await open();
    socket.pause();
    const path = '/docs/swagger-ui-bundle.js';
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(1000));
    const made = () => answered.filter((each) => each === path).length;
    await expect.poll(made).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) await served();
    // The system takes a few of 1.7 MB each; all the others would be ready by now.
    expect(made()).toBeLessThan(50);
  });

  it('are broken off when nothing of them is taken', async () => {
    const sent = Array.from({ length: 300 }, async () => {
      const socket = await open();
      socket.pause();
      socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n');
      return socket;
    });
    const before = rss();
    const all = await Promise.all(sent);
    await served();
    expect(rss() - before).toBeLessThan(200_000_000);
    for (const socket of all) socket.once('close', () => all.splice(all.indexOf(socket), 1));
    const knock = setInterval(() => all.forEach((socket) => void socket.write('GET')), 200);
    await expect
      .poll(() => all.length, patient)
      .toBe(0)
      .finally(() => clearInterval(knock));
  }, 60_000);

  it('do not change those that are read, in their order', async () => {
    const socket = await open();
    const ask = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tenant}\r\n\r\n`;
    socket.write(ask('/v1/trunks') + ask('/docs/start.js') + ask('/v1/nothing') + ask('/healthz'));
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    await expect
      .poll(() => [...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status))
      .toEqual([...['200', '200', '404', '200']]);
  });
});
