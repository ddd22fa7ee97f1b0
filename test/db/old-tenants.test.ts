import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { migrate, migrationsDirectory } from '../../src/db/migrate.js';
import { createPool, type Pool } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import { createLog } from '../../src/log.js';

const log = createLog('silent');
const name = `old_tenants_${process.pid}`;
let server: Pool;
let pool: Pool;
let url: string;
let directory: string;

beforeAll(async () => {
  const { serverUrl } = inject('database');
  server = createPool(serverUrl, log, { max: 1 });
  await server.query(`CREATE DATABASE ${name}`);
  url = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  pool = createPool(url, log);
  directory = await mkdtemp(join(tmpdir(), 'campanile-migrate-'));
});
afterAll(async () => {
  await pool.end();
  await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
  await server.end();
  await rm(directory, { recursive: true });
});

test('an upgrade sets no limit of requests to tenants that were there', async () => {
  const before = (await readdir(migrationsDirectory)).filter((file) => file < '0007');
  for (const file of before) await cp(join(migrationsDirectory, file), join(directory, file));
  await migrate(url, log, { directory });
  const insert = () => pool.query(`INSERT INTO tenants (id, name, ports) VALUES ($1, 'A', 1)`, [newId()]);
  await insert();
  await migrate(url, log);
  await insert();
  const { rows } = await pool.query('SELECT requests_per_minute AS limit FROM tenants ORDER BY id');
  expect(rows.map(({ limit }) => limit)).toEqual([null, 600]);
});
