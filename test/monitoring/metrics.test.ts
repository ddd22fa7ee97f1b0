import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/ids.js';
import { createLog } from '../../src/log.js';
import { type Running, startCampanile } from '../../src/main.js';
import { toneWav } from '../../src/messages/tone.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { createTestDatabase } from '../support/database.js';
import { toneMessage } from '../support/line.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';
import { type Scrape, scrape } from '../support/scrape.js';

let line: SandboxLine;
let campanile: Running;
let tenant: TenantFixture;
const node = 'pbx-1/test';
const NAME = 'Doña Planted';
const SECRET = 'planted-secret-of-a-tenant';

beforeAll(async () => {
  line = await startSandboxLine();
  campanile = await line.start();
  tenant = await insertTenantFixture(line.database.pool, { audio: toneWav(1) });
}, 60_000);
afterAll(() => line?.stop());

const look = () => scrape(campanile.metricsPort);
const testNumber = (code: string, area = '212') => `+1${area}55501${code}`;
/** Until what the database tells is not kept any more. */
const seen = (check: (now: Scrape) => unknown) =>
  expect.poll(async () => check(await look()), { timeout: 20_000, interval: 300 });
async function dial(numbers: string[], options: Parameters<typeof insertCampaignFixture>[3] = {}) {
  const id = await insertCampaignFixture(line.database.pool, tenant, numbers, { test: true, ...options });
  await untilCompleted(line.database.pool, [id], 25);
  return id;
}

describe('/metrics', () => {
  it('counts dials and how calls ended, by trunk, and tells how long it all took', async () => {
    const before = await look();
    await dial([testNumber('00'), testNumber('01'), testNumber('30')], {
      retry: { busy: '1s' },
      maxAttempts: 2,
    });
    const after = await look();
    const grown = (name: string, labels: Record<string, string> = {}) =>
      after.sum(name, { node, ...labels }) - before.sum(name, { node, ...labels });
    const trunk = tenant.trunkId;
    expect(grown('campanile_dials_total', { trunk })).toBe(4);
    expect(grown('campanile_calls_ended_total', { trunk, disposition: 'answered' })).toBe(2);
    expect(grown('campanile_calls_ended_total', { trunk, disposition: 'busy' })).toBe(2);
    expect(grown('campanile_claim_seconds_count')).toBeGreaterThan(0);
    expect(grown('campanile_claim_seconds_sum')).toBeGreaterThan(0);
    expect(grown('campanile_place_seconds_count')).toBe(grown('campanile_claim_seconds_count'));
    expect(grown('campanile_place_seconds_sum')).toBeGreaterThan(0);
    const answered = { script: 'answered' };
    expect(grown('campanile_agi_first_command_seconds_count', answered)).toBe(2);
    expect(grown('campanile_agi_first_command_seconds_sum', answered)).toBeGreaterThan(0);
    expect(grown('campanile_agi_sessions_total', { ...answered, result: 'served' })).toBe(2);
  });

  it('tells how long ports were empty between two calls', async () => {
    const before = await look();
    await dial(
      ['01', '02', '03', '04'].map((code) => testNumber(code, '213')),
      { ports: 1, maxAttempts: 1 },
    );
    const after = await look();
    const grown = (name: string) => after.sum(name, { node }) - before.sum(name, { node });
    expect(grown('campanile_refill_seconds_count')).toBe(3);
    expect(grown('campanile_refill_seconds_sum')).toBeGreaterThan(0);
  });

  it('tells ports in use and their limits, sessions, and what waits', async () => {
    const id = await insertCampaignFixture(
      line.database.pool,
      { ...tenant },
      [...numbersFor('180', 2), ...numbersFor('180', 3, 10)],
      { ports: 2, ringSeconds: 60 },
    );
    const trunk = tenant.trunkId;
    await seen((now) => [
      now.sum('campanile_trunk_ports_in_use', { trunk }),
      now.sum('campanile_node_ports_in_use', { node: 'pbx-1' }),
      now.sum('campanile_contacts_waiting', { test: 'false' }),
      now.sum('campanile_campaigns_running', { test: 'false' }),
      now.sum('campanile_campaigns_due', { test: 'false' }),
    ]).toEqual([2, 2, 3, 1, 1]);
    const now = await look();
    expect(now.sum('campanile_trunk_ports', { trunk })).toBe(1000);
    expect(now.sum('campanile_node_ports', { node: 'pbx-1' })).toBe(100);
    expect(now.sum('campanile_node_ports', { node })).toBe(20);
    expect(now.sum('campanile_node_silent_seconds', { node })).toBeLessThan(30);
    expect(now.sum('campanile_campaigns_stalled')).toBe(0);
    await line.send(campanile, tenant.tenantId, 'POST', `/v1/campaigns/${id}/cancel`);
    await seen((later) => later.sum('campanile_node_ports_in_use', { node: 'pbx-1' })).toBe(0);
    expect((await look()).sum('campanile_contacts_waiting')).toBe(0);
  });

  it('tells of open FastAGI sessions', async () => {
    const talkative = await insertTenantFixture(line.database.pool, toneMessage(40));
    const numbers = [testNumber('00', '214')];
    const id = await insertCampaignFixture(line.database.pool, talkative, numbers, { test: true });
    await seen((now) => now.sum('campanile_agi_sessions', { node })).toBe(1);
    await untilCompleted(line.database.pool, [id], 25);
    await seen((now) => now.sum('campanile_agi_sessions', { node })).toBe(0);
  });

  it('tells of tenants that are full and of trunks that rest', async () => {
    const narrow = await insertTenantFixture(line.database.pool, { ports: 1 });
    const id = await insertCampaignFixture(line.database.pool, narrow, numbersFor('180', 1), {
      ringSeconds: 60,
    });
    await seen((now) => now.sum('campanile_tenants_full')).toBe(1);
    await line.database.pool.query(
      `UPDATE trunks SET resting_since = now(), resting_until = now() + interval '1 hour', resting_reason = 'r' WHERE id = $1`,
      [narrow.trunkId],
    );
    await seen((now) => now.sum('campanile_trunk_resting', { trunk: narrow.trunkId })).toBe(1);
    expect((await look()).sum('campanile_trunk_resting', { trunk: tenant.trunkId })).toBe(0);
    await line.send(campanile, narrow.tenantId, 'POST', `/v1/campaigns/${id}/cancel`);
  });

  it('tells of the connections of each pool', async () => {
    const now = await look();
    for (const pool of ['campanile', 'campanile events', 'campanile pbx-1', `campanile ${node}`]) {
      const open = now.sum('campanile_database_connections', { pool });
      expect(open, pool).toBeGreaterThan(0);
      expect(now.sum('campanile_database_connections_limit', { pool })).toBeGreaterThanOrEqual(open);
      expect(now.has('campanile_database_waiting', { pool })).toBe(true);
    }
    expect(
      now.sum('campanile_database_connections', { pool: 'campanile monitoring', state: 'idle' }),
    ).toBeGreaterThan(0);
    expect(now.sum('nodejs_eventloop_lag_seconds')).toBeGreaterThanOrEqual(0);
    expect(now.sum('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(Math.abs(now.sum('campanile_clock_offset_seconds'))).toBeLessThan(5);
    expect(now.sum('campanile_database_up')).toBe(1);
  });

  it('tells of webhook deliveries that wait', async () => {
    // It takes requests and answers none.
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}/`;
    const body = { url, events: ['attempt.ended'] };
    const { json } = await line.send(campanile, tenant.tenantId, 'POST', '/v1/webhooks', body);
    await dial([testNumber('00', '215')]);
    await seen((now) => now.sum('campanile_webhook_backlog')).toBe(1);
    await seen((now) => now.sum('campanile_webhook_oldest_seconds') > 0).toBe(true);
    await line.send(campanile, tenant.tenantId, 'DELETE', `/v1/webhooks/${json.id}`);
    mute.close();
    mute.closeAllConnections();
    await seen((now) => now.sum('campanile_webhook_backlog')).toBe(0);
  });

  it('holds no name, number or secret of anybody', async () => {
    const { pool } = line.database;
    await pool.query('UPDATE tenants SET name = $2 WHERE id = $1', [tenant.tenantId, NAME]);
    const number = testNumber('00', '218');
    const { json: trunk } = await line.send(campanile, tenant.tenantId, 'POST', '/v1/trunks', {
      name: NAME,
      ports: 5,
      sip: { host: 'sip.example.com', user: 'planted', password: SECRET },
    });
    await dial([number], { trunkIds: [trunk.id, tenant.trunkId], fields: { who: NAME } });
    const { text } = await look();
    expect(text).toContain(trunk.id);
    for (const planted of [NAME, SECRET, number, number.slice(1), tenant.tenantId, line.database.url])
      expect(text).not.toContain(planted);
    const answer = await fetch(`http://127.0.0.1:${campanile.metricsPort}/readyz`);
    for (const planted of [NAME, SECRET, line.database.url, line.config.spoolDir])
      expect(await answer.clone().text()).not.toContain(planted);
  });

  it('is bounded however many trunks there are', async () => {
    const before = await look();
    const { pool } = line.database;
    const ids = Array.from({ length: 1200 }, newId);
    await pool.query(
      `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports, resting_since, resting_until, resting_reason)
        SELECT $1, id, 't', 'direct', 'far', 1, now(), now() + interval '1 hour', 'r' FROM unnest($2::uuid[]) AS t(id)`,
      [tenant.tenantId, ids],
    );
    await seen((now) => now.sum('campanile_trunks_omitted') > 0).toBe(true);
    const now = await look();
    expect(now.text.match(/^campanile_trunk_ports\{/gm)).toHaveLength(1000);
    expect(now.sum('campanile_trunks_omitted')).toBeGreaterThanOrEqual(200);
    expect(now.text.length - before.text.length).toBeLessThan(300_000);
    await pool.query('DELETE FROM trunks WHERE id = ANY($1)', [ids]);
  });

  it('tells nothing of the database when that is away, and answers all the same', async () => {
    const database = await createTestDatabase();
    const config = { ...line.config, databaseUrl: database.url };
    const running = await startCampanile(config, 'api', createLog('silent'), () => {});
    expect((await scrape(running.metricsPort)).sum('campanile_database_up')).toBe(1);
    await database.drop();
    const gone = async () => (await scrape(running.metricsPort)).has('campanile_trunks_omitted');
    await expect.poll(gone, { timeout: 20_000, interval: 500 }).toBe(false);
    const now = await scrape(running.metricsPort);
    expect(now.sum('campanile_database_up')).toBe(0);
    expect(now.has('campanile_database_up')).toBe(true);
    expect(now.has('campanile_node_ports')).toBe(false);
    await running.stop();
  });
});
