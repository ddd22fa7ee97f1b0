import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Asker, createAsker } from '../../src/events/webhooks/ask.js';
import { post } from '../../src/events/webhooks/post.js';

const OK = 'HTTP/1.1 200 OK\r\nConnection: close\r\n';
const TIMEOUT_MS = 400;
const bomb = gzipSync(Buffer.alloc(20_000_000));

/** Sends `piece` for as long as the other side takes it. */
function forever(socket: Socket, piece: string | Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', more);
  more();
}

/** A byte now and then, which no socket takes for silence. */
function drip(socket: Socket, byte: string): void {
  const timer = setInterval(() => socket.write(byte), 20);
  socket.once('close', () => clearInterval(timer));
}

/** Answers that nobody means well with, by their names. */
const answers: Record<string, (socket: Socket) => void> = {
  nothing: () => {},
  'a status line that never ends': (socket) => drip(socket, 'H'),
  'headers that never end': (socket) => {
    socket.write(OK);
    drip(socket, 'x');
  },
  'headers of any length': (socket) => {
    socket.write(OK);
    forever(socket, `x-more: ${'x'.repeat(1000)}\r\n`);
  },
  'one header without an end': (socket) => {
    socket.write(`${OK}x-more: `);
    forever(socket, 'x'.repeat(64_000));
  },
  'hints that never end': (socket) => forever(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'),
  'continuing for ever': (socket) => forever(socket, 'HTTP/1.1 100 Continue\r\n\r\n'),
  'another protocol': (socket) =>
    void socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
  'no HTTP': (socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  'bytes without end': (socket) => forever(socket, Buffer.alloc(64_000, 0xff)),
  'a length that is none': (socket) => void socket.end(`${OK}Content-Length: -5\r\n\r\n{}`),
  'two lengths': (socket) => void socket.end(`${OK}Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}`),
  'a chunk that is too long': (socket) =>
    void socket.end(`${OK}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}`),
  'a body that breaks off': (socket) => void socket.end(`${OK}Content-Length: 1000\r\n\r\n{"a":`),
};

let answer: (socket: Socket) => void;
let server: Server;
let url: string;
let asker: Asker;
const sockets = new Set<Socket>();

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
    socket.once('data', () => answer(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=s3cret`;
  asker = createAsker({ allowPrivate: true });
});
afterAll(async () => {
  asker.stop();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const send = () => post(url, {}, '{}', { allowPrivate: true, timeoutMs: TIMEOUT_MS });
const ask = () => asker.ask(url, {}, '{}', TIMEOUT_MS);

describe.each(Object.entries(answers))('a server that answers %s', (_, hostile) => {
  it('fails a delivery and a question in time, keeps no connection, and nothing of its address is told', async () => {
    answer = hostile;
    const before = process.memoryUsage().rss;
    const [posted, asked] = await Promise.all([send(), ask()]);
    expect(posted).toMatchObject({ status: null, error: expect.stringMatching(/^[\w -]/) });
    expect(asked).toMatchObject({ answer: null, error: expect.stringMatching(/^[\w -]/) });
    expect(`${posted.error} ${asked.error}`).not.toMatch(/s3cret|127\.0\.0\.1/);
    await expect.poll(() => sockets.size).toBe(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  });
});

describe('a body', () => {
  it('without an end is read no further than is needed', async () => {
    answer = (socket) => {
      socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
      forever(socket, `10000\r\n${'x'.repeat(65_536)}\r\n`);
    };
    expect(await send()).toMatchObject({ status: 200 });
    expect(await ask()).toMatchObject({ error: 'the answer is longer than 65536 bytes' });
    await expect.poll(() => sockets.size).toBe(0);
  });

  it('that is packed is not unpacked', async () => {
    answer = (socket) => {
      socket.write(`${OK}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`);
      socket.write(bomb);
    };
    expect(bomb.length).toBeLessThan(65_536);
    expect(await send()).toMatchObject({ status: 200 });
    expect(await ask()).toMatchObject({ error: 'the answer is not JSON' });
  });

  it('of names that are those of every object gives nothing but what was answered', async () => {
    answer = (socket) => {
      const body = '{"__proto__":{"slot":"x"},"constructor":"y"}';
      socket.write(`${OK}Content-Length: ${body.length}\r\n\r\n${body}`);
    };
    const { answer: got } = await ask();
    expect(Object.keys(got!)).toEqual(['__proto__', 'constructor']);
    expect(got!.slot).toBeUndefined();
  });
});
