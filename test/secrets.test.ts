import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCallTokens, INBOUND } from '../src/agi/token.js';
import { issueToken } from '../src/api/token.js';
import { callIdOf } from '../src/calls/call-id.js';
import { newId } from '../src/ids.js';
import { until } from '../src/lab/condition.js';
import { freePort } from '../src/lab/ports.js';
import { toneWav } from '../src/messages/tone.js';
import { packageRoot } from '../src/root.js';
import { attemptsOf, untilCompleted } from './support/campaigns.js';
import { startProgram } from './support/program.js';
import { type SandboxLine, startSandboxLine } from './support/sandbox-line.js';

// Secrets are planted wherever they come in, every kind of error is made to happen, and all that comes out is searched for them.

const INSTALLATION = `s3cret-of-the-installation-${newId()}`;
const planted = (what: string) => `s3cret-${what}-${newId().slice(-12)}`;

const STEP_MS = 60_000;

interface Proxy {
  url: string;
  cut(isCut: boolean): void;
}

describe('a secret', () => {
  let line: SandboxLine;
  let dir: string;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  /** By what it is: none of these may be seen anywhere. */
  const secrets: Record<string, string> = {
    'the secret of the installation': INSTALLATION,
    'the token for calls back': createCallTokens(Buffer.from(INSTALLATION)).tokenFor(INBOUND),
    'the password of a SIP account': planted('sip'),
    'the password that took its place': planted('sip-new'),
    'a password that was refused': `${planted('sip-bad')} \u00e9`,
    'a password in JSON that is none': planted('json'),
    'an Idempotency-Key': planted('idempotency'),
    'a token of nobody': `eyJhbGciOiJIUzI1NiJ9.${planted('claims')}.${planted('signature')}`,
    'an API key of nobody': `cmp_${planted('nobody')}_00000000000000`,
    'a key in the address of a request': planted('path'),
    'the token of a forged FastAGI request': planted('agi'),
    'a line of a broken FastAGI request': planted('agi-line'),
    'a wrong password of the database': planted('database'),
    'a row that broke a rule of the database': planted('row'),
  };
  /** What is the tenant's own, and told to him alone: not in what the operator keeps. */
  const tenants: Record<string, string> = { 'a key in the address of a webhook': planted('webhook') };
  /** All that came out, by where: of the operator, and of the tenant. */
  const operators: Record<string, string> = {};
  const answers: Record<string, string> = {};
  let tenantId: string;
  let admin: string;
  let token: string;
  let api: string;
  let metricsPort: number;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'campanile-secrets-'));
    line = await startSandboxLine({ logLevel: 'trace', asteriskRunDir: join(dir, 'run') });
    const spool = line.config.spoolDir;
    await startConsole(join(spool, 'campanile/pjsip.conf'));
    const [proxy, hookUrl, apiPort] = [await startProxy(), await startReceiver(), await freePort('tcp')];
    secrets['the password of the database'] = decodeURIComponent(new URL(proxy.url).password);
    metricsPort = await freePort('tcp');
    const environment = {
      DATABASE_URL: proxy.url,
      CAMPANILE_SECRET: INSTALLATION,
      CAMPANILE_LISTEN: `127.0.0.1:${apiPort}`,
      CAMPANILE_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
      CAMPANILE_KEEP_FILES: '1d',
      CAMPANILE_WEBHOOK_PRIVATE_HOSTS: 'allow',
      CAMPANILE_SIP_PRIVATE_HOSTS: 'allow',
    };
    api = `http://127.0.0.1:${apiPort}`;
    admin = issueToken(Buffer.from(INSTALLATION), { admin: true }, 600);
    const program = await startProgram(line.config, 'all', environment);
    const attempt = await within('a test call', callSomebody(hookUrl));
    await within('a call', callForReal());
    await within('errors of the API', provokeTheApi());
    await within('errors of FastAGI', provokeFastAgi());
    await within('a row that is refused', refuseARow());
    await within('all answers', readEverything(attempt));
    await within('monitoring', readMonitoring('as all is well'));
    await within('an API without a database', breakTheDatabase(environment));
    proxy.cut(true);
    const says = (what: string) => until(() => program.said().includes(what), { timeoutMs: 20_000 });
    expect(await says('lost the connection that holds this node')).toBe(true);
    await within('monitoring without a database', readMonitoring('without a database'));
    proxy.cut(false);
    expect(await says('this process is the node again')).toBe(true);
    expect(await within('the end of the program', program.stop())).toBe(0);
    operators['the log'] = program.said();
    await runCommands(environment, attempt);
    await readSpool();
    // Some thirty processes are started: more time than all steps may take on a machine that does other things as well.
  }, 420_000);
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    await line?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  /** What hangs is named. */
  async function within<T>(what: string, work: Promise<T>): Promise<T> {
    const limit = new AbortController();
    const late = delay(STEP_MS, undefined, { signal: limit.signal }).then(() => {
      throw new Error(`${what}: not done after ${STEP_MS / 1000} s`);
    });
    late.catch(() => {});
    return Promise.race([work, late]).finally(() => limit.abort());
  }

  async function listen(server: Server, where: number | string): Promise<number> {
    servers.push(server);
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    });
    server.listen(where as number);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** Asterisk's console, which quotes the accounts whenever it is asked anything. */
  async function startConsole(accounts: string): Promise<void> {
    const run = join(dir, 'run');
    await mkdir(run, { recursive: true });
    await writeFile(join(run, 'asterisk.pid'), '1\n');
    const server = createServer((socket) => {
      socket.write('host/1/22.0.0\n');
      socket.once('data', async () => {
        socket.end(`Unable to find what is in\n${await readFile(accounts, 'utf8').catch(() => '')}`);
      });
    });
    await listen(server, join(run, 'asterisk.ctl'));
  }

  /** The database as it is reached over TCP, with its password in the address; nobody is there while it is cut. */
  async function startProxy(): Promise<Proxy> {
    const url = new URL(line.database.url);
    const host = decodeURIComponent(url.hostname);
    const port = Number(url.port);
    const behindIt = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
    const open = new Set<Socket>();
    let deaf = false;
    const server = createServer((socket) => {
      if (deaf) return void socket.destroy();
      const behind = connect(behindIt);
      for (const one of [socket, behind]) {
        open.add(one);
        one
          .on('error', () => {})
          .on('close', () => {
            socket.destroy();
            behind.destroy();
            open.delete(one);
          });
      }
      socket.pipe(behind).pipe(socket);
    });
    const at = await listen(server, 0);
    return {
      url: `postgres://${url.username}:${url.password}@127.0.0.1:${at}${url.pathname}`,
      cut(isCut) {
        deaf = isCut;
        if (deaf) for (const socket of open) socket.destroy();
      },
    };
  }

  /** A server of the tenant's that fails, and says back what it was sent. */
  async function startReceiver(): Promise<string> {
    const server = createHttpServer((request, response) => {
      response.writeHead(500).end(JSON.stringify({ ...request.headers, url: request.url }));
    });
    return `http://127.0.0.1:${await listen(server, 0)}/hook?key=${tenants['a key in the address of a webhook']}`;
  }

  async function send(
    method: string,
    path: string,
    sent: { as?: string; body?: unknown; headers?: Record<string, string> } = {},
  ) {
    const { body } = sent;
    const isBytes = Buffer.isBuffer(body);
    const response = await fetch(api + path, {
      method,
      headers: {
        authorization: `Bearer ${sent.as ?? token}`,
        ...(body === undefined ? {} : { 'content-type': isBytes ? 'audio/wav' : 'application/json' }),
        ...sent.headers,
      },
      ...(body === undefined
        ? {}
        : { body: isBytes ? Buffer.from(body) : typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const headers = JSON.stringify([...response.headers]);
    return {
      status: response.status,
      text: `${headers}\n${await response.clone().text()}`,
      json: () => response.json(),
    };
  }

  async function made(path: string, body: unknown, as?: string): Promise<Record<string, string>> {
    const { status, text, json } = await send('POST', path, {
      ...(as ? { as } : {}),
      body,
      headers: { 'Idempotency-Key': `"${secrets['an Idempotency-Key']}-${newId()}"` },
    });
    expect([200, 201], text).toContain(status);
    return (await json()) as Record<string, string>;
  }

  /** A test call in which a PIN is asked for, branched on and sent to a server that fails. */
  async function callSomebody(hookUrl: string): Promise<string> {
    tenantId = (await made('/v1/tenants', { name: 'Hospital', ports: 20 }, admin)).id!;
    token = issueToken(Buffer.from(INSTALLATION), { tenantId }, 600);
    secrets['a token of the tenant'] = token;
    secrets['a token of the admin'] = admin;
    const sip = { host: '127.0.0.1', user: 'acme', password: secrets['the password of a SIP account'] };
    const trunk = await made('/v1/trunks', { name: 'ours', ports: 20, sip });
    const changed = await send('PATCH', `/v1/trunks/${trunk.id}`, {
      body: { sip: { password: secrets['the password that took its place'] } },
    });
    expect(changed.status, changed.text).toBe(200);
    secrets['the secret of a webhook'] = (await made('/v1/webhooks', { url: hookUrl, events: ['*'] }))
      .secret!;
    secrets['the secret of webhook steps'] = (await made('/v1/flow-secret', undefined)).secret!;
    secrets['an API key'] = (await made('/v1/api-keys', { name: 'CRM', role: 'tenant' })).key!;
    const message = (await send('POST', '/v1/messages?name=ask', { body: toneWav(3) })).json();
    const { id: message_id } = (await message) as { id: string };
    const definition = {
      start: 'pin',
      steps: {
        pin: {
          type: 'collect',
          prompt: [{ message: message_id }],
          min_digits: 1,
          max_digits: 8,
          secret: true,
          save_as: 'pin',
          next: 'copy',
        },
        copy: { type: 'set', values: { copy: 'it is {pin}' }, next: 'which' },
        which: { type: 'branch', value: '{pin}', cases: { 1234: 'ask' }, otherwise: 'end' },
        ask: { type: 'webhook', url: hookUrl, save: ['slot'], next: 'end', on_fail: 'end' },
        end: { type: 'hangup' },
      },
    };
    const flow = await made('/v1/flows', { name: 'PIN', definition });
    const campaign = await made('/v1/campaigns', {
      name: 'Monday',
      test: true,
      trunk_ids: [trunk.id],
      flow_id: flow.id,
    });
    await made(`/v1/campaigns/${campaign.id}/contacts`, [{ number: '+12125550114' }]);
    const started = await send('POST', `/v1/campaigns/${campaign.id}/start`);
    expect(started.status, started.text).toBeLessThan(300);
    const [attempt] = (await until(
      async () => {
        const attempts = await attemptsOf(line.database.pool, campaign.id!);
        return attempts.some(({ state }) => state === 'ended') ? attempts : null;
      },
      { timeoutMs: 30_000 },
    ))!;
    expect(attempt!.steps!.map(({ step, outcome }) => `${step} ${outcome}`)).toContain('which secret');
    secrets['the token of an attempt'] = createCallTokens(Buffer.from(INSTALLATION)).tokenFor(
      callIdOf(tenantId, attempt!.id),
    );
    const told = () =>
      line.database.pool.query(
        "SELECT FROM webhook_deliveries WHERE type = 'attempt.ended' AND attempts > 0",
      );
    expect(await until(async () => (await told()).rowCount! > 0, { timeoutMs: 15_000 })).toBe(true);
    return attempt!.id;
  }

  /** A call through the spool of the PBX, whose file is kept. */
  async function callForReal(): Promise<void> {
    const limits = { ports: null, calls_per_second: null };
    expect((await send('PUT', '/v1/pbx-trunks/far', { as: admin, body: limits })).status).toBe(200);
    const own = { name: 'far', template: 'direct', pbx_trunk: 'far', ports: 5 };
    const trunk = await made(`/v1/trunks?tenant_id=${tenantId}`, own, admin);
    const message = await send('POST', '/v1/messages?name=said', { body: toneWav(1) });
    const { id: message_id } = (await message.json()) as { id: string };
    const campaign = await made('/v1/campaigns', { name: 'Real', trunk_ids: [trunk.id], message_id });
    await made(`/v1/campaigns/${campaign.id}/contacts`, [{ number: '+12125550100' }]);
    expect((await send('POST', `/v1/campaigns/${campaign.id}/start`)).status).toBeLessThan(300);
    await untilCompleted(line.database.pool, [campaign.id!], 30);
  }

  async function provokeTheApi(): Promise<void> {
    const expired = issueToken(Buffer.from(INSTALLATION), { tenantId }, -60);
    secrets['a token that has expired'] = expired;
    const key = secrets['a key in the address of a request'];
    const bad = {
      'a bad token': await send('GET', '/v1/campaigns', { as: secrets['a token of nobody']! }),
      'an expired token': await send('GET', '/v1/campaigns', { as: expired }),
      'a bad key': await send('GET', '/v1/campaigns', { as: secrets['an API key of nobody']! }),
      'bad JSON': await send('POST', '/v1/trunks', {
        body: `{"password": "${secrets['a password in JSON that is none']}"`,
      }),
      'a bad password': await send('POST', '/v1/trunks', {
        body: {
          name: 'x',
          ports: 1,
          sip: { host: 'a b', user: 'a', password: secrets['a password that was refused'] },
        },
      }),
      'a key for another request': await send('POST', '/v1/campaigns', {
        body: {},
        headers: { 'Idempotency-Key': 'x'.repeat(300) },
      }),
    };
    for (const [what, { status, text }] of Object.entries(bad)) {
      expect(status, text).toBeGreaterThanOrEqual(400);
      answers[`the answer to ${what}`] = text;
    }
    // What is sent to the wrong address comes back to whoever sent it, and goes nowhere else.
    for (const path of [`/v1/${key}`, `/v1/trunks/${key}`, `/v1/campaigns?token=${key}`])
      await send('GET', path);
  }

  async function provokeFastAgi(): Promise<void> {
    const { port } = line.config.agiListen;
    const forged = ['agi_request: agi://x/answered?k=', 'agi_arg_1: ', 'agi_arg_2: '].map(
      (start, i) =>
        start + (i === 1 ? callIdOf(tenantId, newId()) : secrets['the token of a forged FastAGI request']),
    );
    for (const text of [
      `${forged.join('\n')}\n\n`,
      `${secrets['a line of a broken FastAGI request']}\n\n`,
      `agi_request: http://${secrets['a line of a broken FastAGI request']}\n\n`,
    ]) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {}).resume();
      socket.end(text);
      await once(socket, 'close');
    }
  }

  async function refuseARow(): Promise<void> {
    const row = secrets['a row that broke a rule of the database'];
    await line.database.pool.query(
      `ALTER TABLE messages ADD CONSTRAINT never_again CHECK (name <> '${row}')`,
    );
    const refused = await send('POST', `/v1/messages?name=${row}`, { body: toneWav(1) });
    expect(refused.status).toBe(500);
    answers['the answer to a row that is refused'] = refused.text;
  }

  /** Nobody there, and connections that break, under an API alone. */
  async function breakTheDatabase(environment: Record<string, string>): Promise<void> {
    const proxy = await startProxy();
    const before = api;
    const port = await freePort('tcp');
    const here = {
      ...environment,
      DATABASE_URL: proxy.url,
      CAMPANILE_LISTEN: `127.0.0.1:${port}`,
      CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
    };
    const program = await startProgram(line.config, 'api', here);
    api = `http://127.0.0.1:${port}`;
    expect((await send('GET', '/v1/trunks')).status).toBe(200);
    proxy.cut(true);
    const away = await until(
      async () => {
        const answer = await send('GET', '/v1/trunks');
        return answer.status === 503 && answer;
      },
      { timeoutMs: 20_000 },
    );
    answers['the answer without a database'] = (away as { text: string }).text;
    proxy.cut(false);
    const isBack = async () => (await send('GET', '/v1/trunks')).status === 200;
    expect(await until(isBack, { timeoutMs: 20_000 })).toBe(true);
    expect(await program.stop()).toBe(0);
    api = before;
    operators['the log of an API alone'] = program.said();
    expect(operators['the log of an API alone']).toContain('lost an idle database connection');
  }

  /** Every list of the API, what is in it one by one, exports, events and the reference. */
  async function readEverything(attempt: string): Promise<void> {
    const openapi = await send('GET', '/openapi.json');
    const paths = Object.entries(((await openapi.json()) as { paths: Record<string, object> }).paths)
      .filter(([, methods]) => 'get' in methods)
      .map(([path]) => path);
    expect(paths.length).toBeGreaterThan(40);
    const found = new Map([['attempts', attempt]]);
    const ordered = paths.toSorted((a, b) => a.split('{').length - b.split('{').length);
    for (const path of ordered) {
      if (path.endsWith('/events')) continue;
      const noun = path.split('/')[2] ?? '';
      const full = path.replace(/\{\w+\}/, found.get(noun) ?? newId());
      for (const [who, as] of [
        ['tenant', token],
        ['admin', admin],
      ] as const) {
        const query = who === 'admin' ? `?tenant_id=${tenantId}` : '';
        const answer = await send('GET', full + query, { as });
        answers[`GET ${path} of the ${who}`] = answer.text;
        const json =
          answer.status === 200 && /application\/json/.test(answer.text)
            ? await answer.json().catch(() => null)
            : null;
        const first = (json as { data?: { id?: string }[] } | null)?.data?.[0]?.id;
        if (first && !found.has(noun) && !path.includes('{')) found.set(noun, first);
      }
    }
    const campaign = found.get('campaigns')!;
    for (const format of ['csv', 'ndjson']) {
      for (const what of ['attempts', 'contacts']) {
        const answer = await send('GET', `/v1/campaigns/${campaign}/${what}/export?format=${format}`);
        expect(answer.status, answer.text).toBe(200);
        answers[`the export of ${what} as ${format}`] = answer.text;
      }
    }
    expect(answers['the export of attempts as ndjson']).toContain(attempt);
    const { rows } = await line.database.pool.query('SELECT items::text FROM events');
    answers['the events'] = rows.map(({ items }) => items).join('\n');
    expect(answers['the events']).toContain(attempt);
    const bodies = await line.database.pool.query('SELECT body, error FROM webhook_deliveries');
    answers['what webhooks are sent'] = JSON.stringify(bodies.rows);
    const audit = await line.database.pool.query('SELECT * FROM audit_log');
    answers['the audit log'] = JSON.stringify(audit.rows);
    expect(answers['the audit log']).toContain('post /v1/trunks');
  }

  /** What every process tells without being asked who wants to know. */
  async function readMonitoring(when: string): Promise<void> {
    for (const path of ['/metrics', '/readyz', '/healthz']) {
      const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
      operators[`${path}, ${when}`] = await response.text();
      expect(operators[`${path}, ${when}`]).not.toBe('');
    }
    answers[`/readyz of the API, ${when}`] = (await send('GET', '/readyz')).text;
  }

  async function runCommands(environment: Record<string, string>, attempt: string): Promise<void> {
    const { config } = line;
    const run = (args: string[], more: Record<string, string> = {}) =>
      new Promise<string>((resolve, reject) => {
        const env = {
          PATH: process.env.PATH,
          CAMPANILE_DATA: config.dataDir,
          CAMPANILE_SPOOL: config.spoolDir,
          CAMPANILE_ASTERISK_RUN: config.asteriskRunDir,
          CAMPANILE_AGI_LISTEN: `127.0.0.1:${config.agiListen.port}`,
          CAMPANILE_LOG_LEVEL: 'trace',
          ...environment,
          ...more,
        };
        const command = ['dist/src/cli/campanile.js', ...args];
        // One that only begins heeds no SIGTERM.
        const limits = { timeout: STEP_MS, killSignal: 'SIGKILL' } as const;
        execFile(process.execPath, command, { cwd: packageRoot, env, ...limits }, (error, out, err) =>
          error?.killed
            ? reject(new Error(`campanile ${args[0]} does not end: ${out}${err}`))
            : resolve(out + err),
        );
      });
    const wrong = secrets['a wrong password of the database'];
    const at = new URL(environment.DATABASE_URL!);
    const urls = {
      'a wrong password': `postgres://campanile:${wrong}@${at.host}${at.pathname}`,
      'nobody there': `postgres://campanile:${wrong}@127.0.0.1:9/campanile`,
      'no such host': `postgres://campanile:${wrong}@nowhere.invalid/campanile`,
      'no such database': environment.DATABASE_URL!.replace(/\/[^/]+$/, '/none'),
      'an address that is none': `postgres://campanile:${wrong}/x@[h/campanile`,
      'an address that is half one': `postgres://campanile:${wrong}%zz@127.0.0.1:9/campanile`,
      'another kind of address': `mysql://campanile:${wrong}@127.0.0.1/campanile`,
    };
    operators['campanile doctor'] = await run(['doctor']);
    expect(operators['campanile doctor']).toContain('configuration');
    operators['campanile attempt'] = await run(['attempt', attempt]);
    expect(operators['campanile attempt']).toContain('collect "pin"');
    operators['campanile attempt --json'] = await run(['attempt', attempt, '--json']);
    for (const [what, DATABASE_URL] of Object.entries(urls)) {
      for (const command of [['doctor'], ['attempt', attempt], ['serve']]) {
        const said = await run(command, { DATABASE_URL, CAMPANILE_LISTEN: '127.0.0.1:0' });
        expect(said, what).not.toBe('');
        operators[`campanile ${command[0]}, ${what}`] = said;
      }
    }
    for (const what of ['nobody there', 'no such host', 'a wrong password', 'no such database'])
      expect(operators[`campanile serve, ${what}`]).toMatch(/cannot use the database: .*campanile doctor/);
    const short = 's3cret-too-short';
    secrets['a secret that is too short'] = short;
    operators['campanile serve, a short secret'] = await run(['serve'], { CAMPANILE_SECRET: short });
    const file = join(dir, 'contacts.csv');
    await writeFile(file, 'number\n+12125550100\n');
    const importing = ['import', file, '--campaign', newId()];
    const CAMPANILE_TOKEN = secrets['a token of nobody']!;
    operators['campanile import'] = await run([...importing, '--url', 'http://127.0.0.1:9'], {
      CAMPANILE_TOKEN,
    });
    operators['campanile import, a password'] = await run(
      [...importing, '--url', `http://me:${wrong}@127.0.0.1:9`],
      { CAMPANILE_TOKEN },
    );
    const fault = `setTimeout(() => { throw Object.assign(new Error('oops'), { detail: '${secrets['a row that broke a rule of the database']}' }) }, 1500)`;
    const NODE_OPTIONS = `--import "data:text/javascript,${encodeURIComponent(fault)}"`;
    const fallen = await run(['serve'], { NODE_OPTIONS, CAMPANILE_LISTEN: '127.0.0.1:0' });
    expect(fallen).toContain('oops');
    operators['campanile serve, an error that nobody expected'] = fallen.replaceAll(
      encodeURIComponent(fault),
      '',
    );
  }

  /** Whatever is left in the spools, but for the token that a call file is for, and the accounts that Asterisk is to have. */
  async function readSpool(): Promise<void> {
    const { spoolDir, dataDir } = line.config;
    for (const root of [spoolDir, join(dataDir, 'test')]) {
      for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name === 'pjsip.conf') continue;
        const path = join(entry.parentPath, entry.name);
        const text = await readFile(path, 'latin1');
        operators[path] = text.replace(/^Set: __CAMPANILE_TOKEN=.*$/m, '');
      }
    }
    expect(Object.keys(operators).filter((path) => path.endsWith('.call'))).not.toEqual([]);
  }

  it('is in no log, no output of a command and no file that is left', () => {
    const found = finds({ ...secrets, ...tenants }, operators);
    expect(found).toEqual([]);
    expect(operators['the log']).toContain('a webhook step failed');
    expect(operators['the log']).toContain('does not take in');
    expect(operators['the log']).toContain('refused a FastAGI request');
    expect(operators['the log']).toContain('never_again');
  });

  it('is in no answer of the API, no export, no event and not in the audit log', () => {
    expect(finds(secrets, answers)).toEqual([]);
  });

  it('that somebody typed as a PIN is stars wherever it is kept', () => {
    for (const [where, text] of Object.entries({ ...operators, ...answers })) {
      // Part of a flow that names it itself, which is the tenant's.
      const rest = text.replaceAll(/\\?"cases\\?": ?\{\\?"1234\\?"/g, '');
      expect(rest, where).not.toMatch(/it is 1234|\\?"1234\\?"|collected 1234|keys 1234/);
    }
    expect(operators['campanile attempt']).toContain('collected ****');
  });

  function finds(what: Record<string, string>, where: Record<string, string>): string[] {
    return Object.entries(what).flatMap(([name, value]) =>
      Object.entries(where).flatMap(([place, text]) =>
        text.includes(value) || text.includes(encodeURIComponent(value)) ? [`${name} is in ${place}`] : [],
      ),
    );
  }
});
