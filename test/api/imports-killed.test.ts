import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { issueToken } from '../../src/api/token.js';
import { loadConfig, loadSecret } from '../../src/config.js';
import { freePort } from '../../src/lab/ports.js';
import {
  countersOf,
  insertCampaignFixture,
  insertTenantFixture,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type Program, startProgram } from '../support/program.js';
import type { ApiFixture } from './client.js';
import { numbers } from './fixtures.js';
import { type Importing, importing, type Job } from './importing.js';

let db: TestDatabase;
let dir: string;
let config: ReturnType<typeof loadConfig>;
let program: Program;
let tenant: TenantFixture;
let token: string;
let campaign: string;
let imports: Importing;
beforeAll(async () => {
  db = await createTestDatabase();
  dir = await mkdtemp(join(tmpdir(), 'campanile-killed-'));
  config = loadConfig({
    DATABASE_URL: db.url,
    CAMPANILE_DATA: dir,
    CAMPANILE_LISTEN: `127.0.0.1:${await freePort('tcp')}`,
    CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
  });
  tenant = await insertTenantFixture(db.pool, {});
  token = issueToken(await loadSecret(config), { tenantId: tenant.tenantId }, 3600);
});
beforeEach(async () => {
  program = await startProgram(config, 'api');
  campaign = await insertCampaignFixture(db.pool, tenant, ['+49301199999']);
  imports = importing(
    { db, url: urlOf(), send } as unknown as ApiFixture,
    { id: tenant.tenantId, token },
    campaign,
  );
});
afterEach(() => program.kill());
afterAll(async () => {
  await rm(dir, { recursive: true });
  await db.drop();
});

const urlOf = () => `http://${config.listen.host}:${config.listen.port}`;
async function send(_method: string, path: string): Promise<{ json: unknown }> {
  const response = await fetch(urlOf() + path, { headers: { Authorization: `Bearer ${token}` } });
  return { json: await response.json() };
}

const list = `number\n${numbers(20_000).join('\n')}\n`;
const lastJob = async () => (await imports.jobs()).at(-1);

/** What was in the campaign before is all that is in it, and the same list can be imported. */
async function expectNothingHalfDone(): Promise<void> {
  const failed = (await lastJob()) as Job;
  expect(failed).toMatchObject({ state: 'failed', error_code: 'interrupted', added: 0 });
  expect(failed.error).toContain('upload it again');
  expect((await imports.stored()).map((row) => row.number)).toEqual(['+49301199999']);
  const { kept, counted } = await countersOf(db.pool, campaign);
  expect(kept).toEqual(counted);
  expect(counted.pending).toBe(1);
  expect(await imports.csv(list)).toMatchObject({ state: 'completed', added: 20_000, duplicates: 0 });
  expect((await countersOf(db.pool, campaign)).kept.pending).toBe(20_001);
}

it('a server killed while it takes an upload leaves nothing of it', async () => {
  const upload = imports.begin('text/csv');
  upload.on('error', () => {});
  upload.write(list);
  await expect.poll(lastJob).toMatchObject({ state: 'receiving' });
  const staged = `SELECT FROM pg_stat_activity WHERE application_name = 'campanile import' AND query LIKE 'COPY %'`;
  await expect.poll(async () => (await db.pool.query(staged)).rowCount).toBe(1);
  const gone = new Promise((resolve) => upload.on('close', resolve));
  await program.kill();
  await gone;
  program = await startProgram(config, 'api');
  await expect.poll(lastJob).toMatchObject({ state: 'failed' });
  await expectNothingHalfDone();
});

it('a server killed while it stores an import leaves nothing of it', async () => {
  const holder = await db.pool.connect();
  try {
    await holder.query('BEGIN');
    // What the INSERT would add as well: it waits for this row when half of its own are in.
    await holder.query(
      `INSERT INTO contacts (tenant_id, id, campaign_id, number) VALUES ($1, gen_random_uuid(), $2, $3)`,
      [tenant.tenantId, campaign, numbers(1, 10_000)[0]],
    );
    const { json } = await imports.send('text/csv', [list]);
    expect(json.state).toBe('storing');
    const waits = `SELECT FROM pg_stat_activity WHERE application_name = 'campanile import' AND wait_event_type = 'Lock'`;
    await expect.poll(async () => (await db.pool.query(waits)).rowCount).toBe(1);
    await program.kill();
    program = await startProgram(config, 'api');
    await holder.query('ROLLBACK');
  } finally {
    holder.release(true);
  }
  await expect.poll(lastJob).toMatchObject({ state: 'failed' });
  await expectNothingHalfDone();
});
