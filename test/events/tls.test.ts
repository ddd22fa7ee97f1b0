import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/root.js';
import { compile } from '../support/program.js';
import { describeWith } from '../support/programs.js';

const run = promisify(execFile);

describeWith('openssl', 'a receiver over TLS', () => {
  let directory: string;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const received: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'campanile-tls-'));
    await openssl('req', '-x509', '-subj', '/CN=Own authority', '-days', '2', ...keyAndCertificate('ca'));
    await issue('good', 'DNS:localhost', '2');
    await issue('other', 'DNS:crm.example.com', '2');
    await issue('old', 'DNS:localhost', '-1');
    await compile();
  }, 120_000);
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    await rm(directory, { recursive: true });
  });

  const file = (name: string) => join(directory, name);
  const keyAndCertificate = (name: string) => [
    ...[
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      file(`${name}.key`),
    ],
    ...['-out', file(`${name}.pem`)],
  ];
  const openssl = (...args: string[]) => run('openssl', args);

  /** A certificate of our authority for a name, good for so many days from now. */
  async function issue(name: string, subject: string, days: string): Promise<void> {
    await openssl('req', '-new', '-subj', '/CN=receiver', ...keyAndCertificate(name));
    await writeFile(file(`${name}.ext`), `subjectAltName=${subject}`);
    const by = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'];
    const request = ['-in', file(`${name}.pem`), '-extfile', file(`${name}.ext`)];
    await openssl('x509', '-req', '-days', days, ...by, ...request, '-out', file(`${name}.pem`));
  }

  async function listen(server: Server): Promise<number> {
    servers.push(server);
    server.on('connection', (socket) => sockets.add(socket));
    server.listen(0, 'localhost');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function receiver(certificate: string, tls: object = {}): Promise<number> {
    const key = await readFile(file(`${certificate}.key`));
    const cert = await readFile(file(`${certificate}.pem`));
    return listen(
      createServer({ key, cert, ...tls }, async (req, res) => {
        let body = '';
        for await (const chunk of req) body += chunk;
        received.push(body);
        res.end('{"slot":"3"}');
      }),
    );
  }

  /** What a process that trusts `authority` gets from both, a delivery and a question. The trust is Node's, read at its start. */
  async function call(
    port: number,
    authority: string | null,
    timeoutMs = 5000,
  ): Promise<{ posted: object; asked: object }> {
    const program = `
      const { post } = await import('./dist/src/events/webhooks/post.js');
      const { createAsker } = await import('./dist/src/events/webhooks/ask.js');
      const url = 'https://localhost:${port}/hook';
      const posted = await post(url, {}, '{"q":1}', { allowPrivate: true, timeoutMs: ${timeoutMs} });
      const asker = createAsker({ allowPrivate: true });
      const asked = await asker.ask(url, {}, '{"q":2}', ${timeoutMs});
      asker.stop();
      console.log(JSON.stringify({ posted, asked }));`;
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
    const trust = authority === null ? {} : { NODE_EXTRA_CA_CERTS: file(`${authority}.pem`) };
    const args = ['--input-type=module', '--eval', program];
    const { stdout } = await run(process.execPath, args, { cwd: packageRoot, env: { ...env, ...trust } });
    return JSON.parse(stdout);
  }

  it('is reached where the process trusts its authority', async () => {
    const { posted, asked } = await call(await receiver('good'), 'ca');
    expect(posted).toEqual({ status: 200, error: null });
    expect(asked).toEqual({ answer: { slot: '3' }, error: null });
    expect(received.splice(0)).toEqual(['{"q":1}', '{"q":2}']);
  });

  it.each([
    ['of an authority that nobody trusts', 'good', null, {}, 'certificate'],
    ['for another name', 'other', 'ca', {}, 'certificate'],
    ['that has expired', 'old', 'ca', {}, 'certificate'],
    [
      'and speaks TLS 1.1 only',
      'good',
      'ca',
      { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' },
      '',
    ],
  ] as const)('%s is told nothing', async (_, certificate, authority, tls, why) => {
    const { posted, asked } = await call(await receiver(certificate, tls), authority);
    expect(posted).toMatchObject({ status: null, error: expect.stringContaining(why) });
    expect(asked).toMatchObject({ answer: null, error: expect.stringContaining(why) });
    expect(received).toEqual([]);
  });

  it('that speaks no TLS, or never ends its handshake, fails in time', async () => {
    const silent = createPlain((socket) => void socket.on('error', () => {}));
    const plain = createPlain((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
    });
    expect(await call(await listen(silent), 'ca', 300)).toMatchObject({
      posted: { status: null, error: 'no answer within 0.3 s' },
      asked: { answer: null, error: 'no answer within 0.3 s' },
    });
    expect(await call(await listen(plain), 'ca')).toMatchObject({
      posted: { status: null },
      asked: { answer: null },
    });
  });
});
