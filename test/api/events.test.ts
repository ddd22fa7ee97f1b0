import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createNews } from '../../src/api/events/news.js';
import { type Api, createApi } from '../../src/api/server.js';
import { issueToken } from '../../src/api/token.js';
import { listen } from '../../src/db/listen.js';
import { registerNode } from '../../src/db/nodes.js';
import { noteCalls } from '../../src/db/open-attempts.js';
import { createPool } from '../../src/db/pool.js';
import { createRelay } from '../../src/events/relay.js';
import { createLog } from '../../src/log.js';
import { convertPlainWav } from '../../src/messages/convert.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { wantEvents } from '../support/relay.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';
import { secret } from './client.js';
import { openSse, type SseClient, type SseEvent } from './sse.js';

const log = createLog('silent');
const node = { name: 'a', ports: 20, callsPerSecond: null, templates: ['direct'] };
const patient = { timeout: 20_000, interval: 20 };
let db: TestDatabase;
let url: string;
let tenant: TenantFixture;
let campaign: string;
let token: string;
const relay = { stop: async () => {} };
const clients: SseClient[] = [];
const apis: Api[] = [];

const news = createNews();
let listener: ReturnType<typeof listen>;

async function start(
  limits: { most?: number; mostPerTenant?: number; heartbeatMs?: number } = {},
  heard = true,
) {
  const made = createApi({
    pool: db.pool,
    secret,
    log,
    convertAudio: convertPlainWav,
    ...(heard ? { news } : {}),
    streamLimits: { most: 50, mostPerTenant: 20, heartbeatMs: 15_000, ...limits },
  });
  apis.push(made);
  const { port } = await made.start({ host: '127.0.0.1', port: 0 });
  return { api: made, url: `http://127.0.0.1:${port}` };
}

beforeAll(async () => {
  db = await createTestDatabase();
  listener = listen(db.url, ['campanile_events'], (_, payload) => news.tell(payload), log);
  await listener.start();
  ({ url } = await start());
  // Over a pool of its own: what the API's does is looked at.
  const relayPool = createPool(db.url, log, { max: 2 });
  const loop = createRelay(relayPool, log);
  loop.start();
  relay.stop = () => loop.stop().then(() => relayPool.end());
  await registerNode(db.pool, node);
});
beforeEach(async () => {
  tenant = await insertTenantFixture(db.pool);
  campaign = await insertCampaignFixture(db.pool, tenant, numbersFor('486', 5), {
    retry: { busy: '0s*100' },
    maxAttempts: 100,
  });
  token = issueToken(secret, { tenantId: tenant.tenantId }, 3600);
});
afterEach(async () => {
  await db.pool.query(`UPDATE campaigns SET status = 'paused'`);
  for (const client of clients.splice(0)) await client.close();
});
afterAll(async () => {
  for (const each of apis) await each.stop(0);
  await relay.stop();
  await listener.stop();
  await db.drop();
});

async function open(path = '/v1/events', lastEventId?: string, at = url, as = token): Promise<SseClient> {
  const client = await openSse(at + path, as, lastEventId);
  clients.push(client);
  return client;
}

const busy = {
  hangupCause: 17,
  sipStatus: 486,
  dialStatus: null,
  hungUpBy: 'pbx' as const,
  ringSeconds: 1,
  talkSeconds: 0,
};

/** All of the campaigns' contacts are called once and are busy. */
async function callAll(): Promise<void> {
  const { calls } = await claimInTurn(db.pool, node, async () => {});
  const note = { answeredAt: null, heardSeconds: null, key: null, hangup: busy };
  await noteCalls(
    db.pool,
    'a',
    calls.map(({ callId }) => ({ callId, ...note })),
  );
  await finishInTurn(
    db.pool,
    calls.map(({ callId }) => ({ callId, archiveStatus: 'Expired' as const })),
  );
}

async function callTimes(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await callAll();
}

/** Resolves when everything has its place. */
async function relayed(): Promise<void> {
  const left = async () => (await db.pool.query('SELECT FROM event_outbox')).rowCount;
  await expect.poll(left, patient).toBe(0);
}

const kept = (client: SseClient) => client.events.filter(({ id }) => id !== undefined);
const change = (of = campaign) =>
  db.pool.query(
    `UPDATE campaigns SET status = CASE status WHEN 'running' THEN 'paused' ELSE 'running' END WHERE id = $1`,
    [of],
  );

describe('a stream of events', () => {
  it('loses and repeats nothing for a client that is cut off in the middle and comes back', async () => {
    const seen: SseEvent[] = [];
    let last: string | undefined;
    for (let i = 1; i <= 8; i++) {
      const client = await open('/v1/events', last);
      const dialling = callTimes(4);
      // Cut off at a different place each time, in the middle of a statement's events too.
      await client.wait(() => kept(client).length >= i * 3);
      await client.close();
      await dialling;
      seen.push(...kept(client));
      last = seen.at(-1)!.id;
    }
    await relayed();
    const rest = await open('/v1/events?follow=false', last);
    await rest.over;
    seen.push(...kept(rest));
    const { rows } = await db.pool.query(
      `SELECT position, json_array_length(items) AS n FROM events WHERE tenant_id = $1 ORDER BY position`,
      [tenant.tenantId],
    );
    const all = rows.flatMap(({ position, n }) => Array.from({ length: n }, (_, i) => `${position}-${i}`));
    expect(seen.map(({ id }) => id)).toEqual(all);
    const { rows: attempts } = await db.pool.query('SELECT id FROM attempts WHERE campaign_id = $1', [
      campaign,
    ]);
    expect(attempts.length).toBe(8 * 4 * 5);
    for (const type of ['attempt.started', 'attempt.ended']) {
      const ids = seen.filter((event) => event.type === type).map(({ data }) => data.attempt_id);
      expect(ids.sort()).toEqual(attempts.map(({ id }) => id).sort());
    }
  });

  it('is readable as it comes, and says how to be kept open', async () => {
    const client = await open();
    await change();
    await client.wait((events) => events.length > 0);
    expect(client.response.headers.get('Content-Type')).toBe('text/event-stream');
    expect(client.text()).toMatch(
      /^retry: \d+\n\nevent: campaign\.changed\nid: \d{16}-0\ndata: \{"id":"\d{16}-0","type":"campaign\.changed",.*\}\n\n/,
    );
  });

  it('of one campaign tells nothing of others, and gets on past what it does not tell', async () => {
    const other = await insertCampaignFixture(db.pool, tenant, numbersFor('201', 3));
    const client = await open(`/v1/campaigns/${campaign}/events`);
    const both = await open();
    for (let i = 0; i < 30; i++) await change(other);
    await change();
    await both.wait((events) => events.filter(({ type }) => type === 'campaign.changed').length === 31);
    await client.wait((events) => events.some(({ type }) => type === 'campaign.changed'));
    expect(kept(client).length).toBe(1);
    const resumed = await open(`/v1/campaigns/${campaign}/events?follow=false`, kept(both)[0]!.id);
    await resumed.over;
    expect(kept(resumed).map(({ id }) => id)).toEqual(kept(client).map(({ id }) => id));
  });

  it('tells the counters of what changes at most once a second, and of its campaign at first', async () => {
    const client = await open(`/v1/campaigns/${campaign}/events`);
    await client.wait((events) => events.some(({ type }) => type === 'campaign.counters'));
    expect(client.events[0]!.data).toMatchObject({ pending: 5, attempts: 0, status: 'running' });
    const before = Date.now();
    for (let i = 0; i < 10; i++) await callAll();
    await client.wait((events) =>
      events.some(({ type, data }) => type === 'campaign.counters' && data.attempts === 50),
    );
    const counters = client.events.filter(({ type }) => type === 'campaign.counters');
    expect(counters.length).toBeLessThanOrEqual(3 + (Date.now() - before) / 1000);
    expect(counters.every(({ id }) => id === undefined)).toBe(true);
  });

  it('without follow ends when all is sent', async () => {
    const first = await open();
    await callAll();
    await first.wait((events) => events.filter(({ type }) => type === 'contact.retrying').length === 5);
    await first.close();
    const ids = kept(first).map(({ id }) => id);
    expect(ids.length).toBe(15);
    // Behind each of them, also in the middle of those that one statement made.
    for (const [i, id] of ids.entries()) {
      const rest = await open('/v1/events?follow=false', id);
      await rest.over;
      expect(rest.events.map((event) => event.id)).toEqual(ids.slice(i + 1));
    }
    const none = await open('/v1/events?follow=false');
    await none.over;
    expect(none.events).toEqual([]);
  });

  it('says so when what came after the last event is not kept any more', async () => {
    const first = await open();
    await change();
    await first.wait((events) => kept({ events } as SseClient).length === 1);
    const old = `${Number(kept(first)[0]!.id!.split('-')[0]) - 73 * 3600 * 1_000_000}-2`;
    const client = await open('/v1/events', old);
    await client.wait((events) => events.length >= 2);
    expect(client.events[0]).toMatchObject({ type: 'events.missed', id: undefined, data: { after: old } });
    expect(client.events[1]!.id).toBe(kept(first)[0]!.id);
  });

  it.each(['x', '1', '9999999999999999-0', '8999999999999999-0'])(
    'refuses %s as the last event',
    async (id) => {
      await expect(open('/v1/events', id)).rejects.toThrow(/422 .*Last-Event-ID/);
    },
  );

  it('is for viewers too, and shows a tenant its own events only', async () => {
    const viewer = issueToken(secret, { tenantId: tenant.tenantId, viewer: true }, 3600);
    const stranger = await insertTenantFixture(db.pool);
    const strangers = await insertCampaignFixture(db.pool, stranger, numbersFor('486', 1));
    await wantEvents(db.pool, stranger.tenantId);
    const client = await open('/v1/events', undefined, url, viewer);
    await change(strangers);
    await relayed();
    await change();
    await client.wait((events) => events.length > 0);
    expect(kept(client).length).toBe(1);
    await expect(open(`/v1/campaigns/${strangers}/events`)).rejects.toThrow(/^Error: 404|^404/);
  });

  it('comes without a hint as well', async () => {
    const { url: deaf } = await start({ heartbeatMs: 100 }, false);
    const client = await open('/v1/events', undefined, deaf);
    await change();
    await client.wait((events) => events.length > 0);
  });
});

describe('a stream ends', () => {
  it('when the token expires', async () => {
    const { url: quick } = await start({ heartbeatMs: 50 });
    const short = issueToken(secret, { tenantId: tenant.tenantId }, 2);
    const client = await open('/v1/events', undefined, quick, short);
    await expect.poll(() => client.text(), patient).toContain(':\n\n');
    await client.over;
    await expect(open('/v1/events', undefined, quick, short)).rejects.toThrow('401');
  });

  it('when the tenant is suspended', async () => {
    const { url: quick } = await start({ heartbeatMs: 50 });
    const client = await open('/v1/events', undefined, quick);
    await db.pool.query('UPDATE tenants SET suspended = true WHERE id = $1', [tenant.tenantId]);
    await client.over;
  });

  it('when the API key is revoked', async () => {
    const { url: quick } = await start({ heartbeatMs: 50 });
    const made = await fetch(`${quick}/v1/api-keys`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'CRM', role: 'viewer' }),
    });
    const { id, key } = (await made.json()) as { id: string; key: string };
    const client = await open('/v1/events', undefined, quick, key);
    await fetch(`${quick}/v1/api-keys/${id}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${token}` },
    });
    await client.over;
  });

  it('when the API stops, at once', async () => {
    const { api: stopping, url: at } = await start();
    const client = await open('/v1/events', undefined, at);
    await stopping.stop(60_000);
    await client.over;
  });
});

describe('streams', () => {
  it('are so many of a tenant and so many of all, and their places come back', async () => {
    const { url: narrow } = await start({ most: 3, mostPerTenant: 2 });
    const stranger = await insertTenantFixture(db.pool);
    const strangers = issueToken(secret, { tenantId: stranger.tenantId }, 3600);
    const first = await open('/v1/events', undefined, narrow);
    await open('/v1/events', undefined, narrow);
    await expect(open('/v1/events', undefined, narrow)).rejects.toThrow(/429 .*too_many_event_streams/);
    await open('/v1/events', undefined, narrow, strangers);
    await expect(open('/v1/events', undefined, narrow, strangers)).rejects.toThrow(
      /503 .*event_streams_busy/,
    );
    await first.close();
    await expect
      .poll(
        () =>
          open('/v1/events', undefined, narrow).then(
            () => 'open',
            () => 'full',
          ),
        patient,
      )
      .toBe('open');
  });

  it('hold no connection of the database while they wait', async () => {
    for (let i = 0; i < 15; i++) await open();
    await expect.poll(() => db.pool.totalCount - db.pool.idleCount, patient).toBe(0);
  });

  it('read no further than their client does', async () => {
    const rows = 20_000;
    await db.pool.query(
      `INSERT INTO events (tenant_id, position, campaign_id, type, at, items)
        SELECT $1, extract(epoch FROM now())::bigint * 1000000 + n, $2, 'contact.ended', now(),
          json_build_array(json_build_object('note', (SELECT string_agg(md5(n || ' ' || i), '') FROM generate_series(1, 50) AS i)))
        FROM generate_series(-$3::integer, -1) AS n`,
      [tenant.tenantId, campaign, rows],
    );
    const { rows: first } = await db.pool.query(
      'SELECT min(position) AS position FROM events WHERE tenant_id = $1',
      [tenant.tenantId],
    );
    let statements = 0;
    const count = () => {
      statements += 1;
    };
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    try {
      db.pool.on('acquire', count);
      socket.write(
        `GET /v1/events?follow=false HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n` +
          `Last-Event-ID: ${first[0].position}-0\r\n\r\n`,
      );
      await once(socket, 'readable');
      // The system's buffers take some megabytes, then it waits.
      let before = -1;
      const settled = () => {
        const same = before === statements;
        before = statements;
        return same && statements > 3;
      };
      await expect.poll(settled, { timeout: 20_000, interval: 300 }).toBe(true);
      expect(statements).toBeLessThan(150);
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      await once(socket, 'close');
      expect(bytes).toBeGreaterThan(rows * 1600);
      expect(statements).toBeGreaterThan(200);
    } finally {
      db.pool.off('acquire', count);
      socket.destroy();
    }
  });
});
