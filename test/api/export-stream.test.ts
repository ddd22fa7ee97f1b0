import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MOST_EXPORTS } from '../../src/api/export.js';
import { type Api, createApi } from '../../src/api/server.js';
import { issueToken } from '../../src/api/token.js';
import { createPool, type Pool } from '../../src/db/pool.js';
import { createLog } from '../../src/log.js';
import { convertPlainWav } from '../../src/messages/convert.js';
import { insertManyAttempts } from '../support/attempts.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { secret } from './client.js';

/** 0.5 KB each as NDJSON, and so more than the buffers of two sockets on the loopback interface take. */
const ATTEMPTS = 25_000;
const STATEMENT_SECONDS = 1;
const patient = { timeout: 8000, interval: 20 };

const log = createLog('silent');
let db: TestDatabase;
let exportPool: Pool;
let api: Api;
let port: number;
const tenants: (TenantFixture & { campaign: string })[] = [];
const readers: Reader[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
  exportPool = createPool(db.url, log, {
    max: MOST_EXPORTS,
    name: 'the export',
    statementSeconds: STATEMENT_SECONDS,
  });
  api = createApi({ pool: db.pool, exportPool, secret, log, convertAudio: convertPlainWav });
  port = (await api.start({ host: '127.0.0.1', port: 0 })).port;
  for (let i = 0; i < 3; i++) {
    const tenant = await insertTenantFixture(db.pool);
    const campaign = await insertCampaignFixture(db.pool, tenant, numbersFor('201', ATTEMPTS, 1000));
    expect(await insertManyAttempts(db.pool, tenant, campaign)).toBe(ATTEMPTS);
    tenants.push({ ...tenant, campaign });
  }
}, 120_000);
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.socket.destroy();
  await expect.poll(transactions, patient).toEqual([]);
});
afterAll(async () => {
  await api.stop(0);
  await exportPool.end();
  await db.drop();
});

interface Reader {
  socket: Socket;
  /** Resolves with all that came until the connection was closed. */
  readAll(): Promise<{ head: string; body: string }>;
}

/** Asks for an export and reads no more than what says that it has begun. */
async function begin(of = tenants[0]!, version = '1.1', what = 'attempts'): Promise<Reader> {
  const socket = connect(port, '127.0.0.1');
  const token = issueToken(secret, { tenantId: of.tenantId }, 3600);
  const chunks: Buffer[] = [];
  socket.on('error', () => {}); // `close` follows
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(
    `GET /v1/campaigns/${of.campaign}/${what}/export?format=ndjson HTTP/${version}\r\nHost: a\r\nConnection: close\r\n` +
      `Authorization: Bearer ${token}\r\n\r\n`,
  );
  await once(socket, 'readable');
  const reader: Reader = {
    socket,
    async readAll() {
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      await closed;
      const text = Buffer.concat(chunks).toString();
      const end = text.indexOf('\r\n\r\n');
      return { head: text.slice(0, end), body: text.slice(end + 4) };
    },
  };
  readers.push(reader);
  return reader;
}

interface Transaction {
  pid: number;
  state: string;
  query: string;
  seconds: number;
}

/** The transactions of exports that are open. */
async function transactions(): Promise<Transaction[]> {
  const { rows } = await db.pool.query<Transaction>(
    `SELECT pid, state, query, extract(epoch FROM clock_timestamp() - xact_start)::float AS seconds
      FROM pg_stat_activity WHERE application_name = 'the export' AND datname = current_database()
        AND xact_start IS NOT NULL`,
  );
  return rows;
}

/** Resolves when the export that is under way waits for its reader, and has for longer than a statement may take. */
async function untilItWaits(): Promise<Transaction> {
  let found: Transaction[] = [];
  await expect
    .poll(async () => {
      found = await transactions();
      return found.map(({ state, query, seconds }) => [
        state,
        /^FETCH/.test(query),
        seconds > STATEMENT_SECONDS + 0.5,
      ]);
    }, patient)
    .toEqual([['idle in transaction', true, true]]);
  return found[0]!;
}

/** The body that chunks make (RFC 9112 section 7.1), and whether the last chunk came. */
function unchunk(body: string): { text: string; whole: boolean } {
  let text = '';
  for (let at = 0; ; ) {
    const line = body.indexOf('\r\n', at);
    const size = line < 0 ? Number.NaN : Number.parseInt(body.slice(at, line), 16);
    if (size === 0) return { text, whole: true };
    if (!(size > 0)) return { text, whole: false };
    text += body.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

describe('an export', () => {
  it('waits for a reader who takes longer than a statement may, and then sends the rest', async () => {
    const reader = await begin();
    await untilItWaits();
    const { head, body } = await reader.readAll();
    const { text, whole } = unchunk(body);
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(whole).toBe(true);
    const ids = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).id as string);
    expect(ids.length).toBe(ATTEMPTS);
    expect(new Set(ids).size).toBe(ATTEMPTS);
  });

  it('shows what was there when it began', async () => {
    const { campaign } = tenants[2]!;
    const reader = await begin(tenants[2]);
    await untilItWaits();
    await db.pool.query(`UPDATE attempts SET disposition = 'lost' WHERE campaign_id = $1`, [campaign]);
    const { body } = await reader.readAll();
    expect(unchunk(body)).toMatchObject({ whole: true });
    expect(body).not.toContain('"lost"');
  });

  it('ends its transaction when the reader goes away, and frees the connection', async () => {
    const reader = await begin();
    await untilItWaits();
    reader.socket.destroy();
    await expect.poll(transactions, patient).toEqual([]);
    await expect
      .poll(() => [exportPool.totalCount - exportPool.idleCount, exportPool.waitingCount], patient)
      .toEqual([0, 0]);
  });

  it('breaks the connection off when it cannot go on, so that nobody takes it for whole', async () => {
    const reader = await begin();
    const { pid } = await untilItWaits();
    await db.pool.query('SELECT pg_terminate_backend($1)', [pid]);
    await expect.poll(transactions, patient).toEqual([]);
    const { head, body } = await reader.readAll();
    expect(head).toContain('200 OK');
    expect(unchunk(body).whole).toBe(false);
    expect(unchunk(body).text.length).toBeGreaterThan(0);
  });

  it('is refused in HTTP/1.0, where a close is how a whole answer ends', async () => {
    const { head, body } = await (await begin(tenants[0], '1.0')).readAll();
    expect(head).toMatch(/^HTTP\/1\.1 426 [\s\S]*\r\nUpgrade: HTTP\/1\.1\r\n/);
    expect(body).toContain('"http_1_1_required"');
  });

  it('is a problem document when it cannot begin', async () => {
    const locked = await db.pool.connect();
    try {
      await locked.query('BEGIN; LOCK TABLE contacts');
      const reader = await begin(tenants[0], '1.1', 'contacts');
      const { head, body } = await reader.readAll();
      expect(head).toMatch(/^HTTP\/1\.1 503/);
      expect(body).toContain('"database_unavailable"');
    } finally {
      await locked.query('ROLLBACK');
      locked.release();
    }
  });

  it('is one of two at most of a tenant, and of four of all; the next is told when to try again', async () => {
    const [first, second, third] = tenants as [
      (typeof tenants)[0] & object,
      (typeof tenants)[0] & object,
      (typeof tenants)[0] & object,
    ];
    const held = [await begin(first), await begin(first)];
    const own = await (await begin(first)).readAll();
    expect(own.head).toMatch(/^HTTP\/1\.1 429 [\s\S]*\r\nRetry-After: 10\r\n/);
    expect(own.body).toContain('"too_many_exports"');
    held.push(await begin(second), await begin(second));
    const others = await (await begin(third)).readAll();
    expect(others.head).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: 10\r\n/);
    expect(others.body).toContain('"exports_busy"');
    // Whoever waits for nobody is served meanwhile, and slots come back.
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    held[0]!.socket.destroy();
    await expect.poll(async () => (await transactions()).length, patient).toBe(MOST_EXPORTS - 1);
    expect(unchunk((await (await begin(third)).readAll()).body).whole).toBe(true);
  });

  it('is cut off, and its connection free, when the API stops', async () => {
    const stopping = createApi({ pool: db.pool, exportPool, secret, log, convertAudio: convertPlainWav });
    const before = port;
    port = (await stopping.start({ host: '127.0.0.1', port: 0 })).port;
    try {
      const reader = await begin();
      await untilItWaits();
      await stopping.stop(50);
      await expect.poll(transactions, patient).toEqual([]);
      expect(unchunk((await reader.readAll()).body).whole).toBe(false);
    } finally {
      port = before;
    }
  });
});
