import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Asker, createAsker } from '../../src/events/webhooks/ask.js';

let handle: (request: IncomingMessage, response: ServerResponse, body: string) => void;
let connections: number;
let asked: { headers: IncomingMessage['headers']; body: string }[];
let url: string;
let asker: Asker;
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  connections = 0;
  asked = [];
  handle = (_request, response) => response.end('{"slot":"3"}');
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push({ headers: request.headers, body });
    handle(request, response, body);
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ask?secret=s3cret`;
  asker = createAsker({ allowPrivate: true });
});
afterEach(async () => {
  asker.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const ask = (to = url, timeoutMs = 5000) => asker.ask(to, { 'x-test': 'yes' }, '{"q":1}', timeoutMs);

describe('asking a server', () => {
  it('gives its object, and keeps the connection for the next question', async () => {
    expect(await ask()).toEqual({ answer: { slot: '3' }, error: null });
    expect(await ask()).toEqual({ answer: { slot: '3' }, error: null });
    expect(connections).toBe(1);
    expect(asked).toMatchObject([{ body: '{"q":1}', headers: { 'x-test': 'yes' } }, { body: '{"q":1}' }]);
    handle = (_request, response) => response.writeHead(204).end();
    expect(await ask()).toEqual({ answer: {}, error: null });
  });

  it('takes a new connection where the kept one was closed under it', async () => {
    await ask();
    handle = (request, response) => {
      // The question that comes over the kept connection is read by nobody.
      if (connections === 1) request.socket.resetAndDestroy();
      else response.end('{}');
    };
    expect(await ask()).toEqual({ answer: {}, error: null });
    expect(connections).toBe(2);
  });

  it.each([
    ['the server answered 500', (r: ServerResponse) => r.writeHead(500).end('{}')],
    ['redirects are not followed', (r: ServerResponse) => r.writeHead(302, { Location: '/' }).end()],
    ['the answer is not JSON', (r: ServerResponse) => r.end('<html>')],
    ['the answer is not a JSON object', (r: ServerResponse) => r.end('["x"]')],
    ['the answer is longer than 65536 bytes', (r: ServerResponse) => r.end(`"${'x'.repeat(70_000)}"`)],
    ['the connection was broken off', (r: ServerResponse) => r.socket!.resetAndDestroy()],
  ])('tells that %s, and nothing of the address', async (error, answer) => {
    handle = (_request, response) => void answer(response);
    const got = await ask();
    expect(got.answer).toBeNull();
    expect(got.error).toContain(error);
    expect(got.error).not.toContain('s3cret');
  });

  it('gives up in time, also on an answer that never ends', async () => {
    handle = () => {};
    expect(await ask(url, 100)).toEqual({ answer: null, error: 'no answer within 0.1 s' });
    handle = (_request, response) => void response.write('{"slot"');
    expect(await ask(url, 100)).toEqual({ answer: null, error: 'no answer within 0.1 s' });
  });

  it('goes to no private address, whatever a name stands for', async () => {
    const strict = createAsker({
      allowPrivate: false,
      resolve: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
    });
    const port = new URL(url).port;
    for (const to of [`https://127.0.0.1:${port}/`, `https://[::1]:${port}/`, 'https://crm.example.com/']) {
      const got = await strict.ask(to, {}, '{}', 5000);
      expect(got).toEqual({ answer: null, error: 'the host is at an address of a private network' });
    }
    expect((await strict.ask(url, {}, '{}', 5000)).error).toBe('the URL is not https');
    expect(connections).toBe(0);
    strict.stop();
  });
});
