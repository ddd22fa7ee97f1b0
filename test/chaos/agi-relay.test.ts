import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AgiRelay, startAgiRelay } from '../../chaos/agi-relay.js';

let relay: AgiRelay;
let behind: Server;
let client: Socket;
let heard: string;

beforeEach(async () => {
  // Echoes, and ends when the client has.
  behind = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(behind, 'listening');
  relay = await startAgiRelay({ host: '127.0.0.1', port: (behind.address() as AddressInfo).port });
});
afterEach(async () => {
  client.destroy();
  await relay.stop();
  await new Promise((done) => behind.close(done));
});

/** Also when it ends by an error. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((done) => socket.once('close', done));
}

function connect(): Promise<unknown> {
  heard = '';
  client = createConnection({ host: '127.0.0.1', port: relay.port });
  client.on('error', () => {});
  client.on('data', (chunk) => {
    heard += chunk;
  });
  return once(client, 'connect');
}

it('hands on in both directions, to the last byte', async () => {
  await connect();
  client.end('x'.repeat(1_000_000));
  await closed(client);
  expect(heard).toHaveLength(1_000_000);
});

it('breaks connections while it refuses', async () => {
  await connect();
  client.write('a');
  await expect.poll(() => heard).toBe('a');
  relay.refuse();
  await closed(client);
  await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  relay.pass();
  await expect
    .poll(() =>
      connect().then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  client.write('b');
  await expect.poll(() => heard).toBe('b');
});

it('refuses while nobody listens behind it', async () => {
  const { port } = behind.address() as AddressInfo;
  await new Promise((done) => behind.close(done));
  await expect
    .poll(() =>
      connect().then(
        () => 'connected',
        ({ code }) => code,
      ),
    )
    .toBe('ECONNREFUSED');
  behind.listen(port, '127.0.0.1');
  await expect
    .poll(() =>
      connect().then(
        () => 'connected',
        ({ code }) => code,
      ),
    )
    .toBe('connected');
});

it('accepts and says nothing while it stalls, and breaks those connections when it passes again', async () => {
  relay.stall();
  await connect();
  client.write('a');
  await expect.poll(() => client.bytesWritten).toBe(1);
  const over = closed(client);
  relay.pass();
  await over;
  expect(heard).toBe('');
});

it('hands on a little at a time while it is slow', async () => {
  relay.slow(100);
  await connect();
  client.write('0123456789abcdef');
  await expect.poll(() => heard.length).toBeGreaterThan(0);
  expect(heard.length).toBeLessThan(16);
  relay.pass();
  await expect.poll(() => heard).toBe('0123456789abcdef');
});
