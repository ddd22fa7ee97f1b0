import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { DEFAULT_BREAKER } from '../../src/calls/breaker.js';
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
  const before = (await readdir(migrationsDirectory)).filter((file) => file < '0007');
  for (const file of before) await cp(join(migrationsDirectory, file), join(directory, file));
  await migrate(url, log, { directory });
  await insertTenant();
  await pool.query(
    `INSERT INTO pbx_trunks (name) VALUES ('far');
      INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports)
        SELECT id, id, 'old', 'direct', 'far', 1 FROM tenants;
      INSERT INTO messages (tenant_id, id, name, sha256, audio, seconds)
        SELECT id, m, 'm', repeat('0', 64), 'RIFF', 1 FROM tenants, unnest(ARRAY[id, uuidv7()]) AS m;
      INSERT INTO campaigns (tenant_id, id, name, trunk_id, message_id, ring_seconds, retry, max_attempts)
        SELECT id, id, 'c', id, id, 30, '{}', 1 FROM tenants`,
  );
  await migrate(url, log);
});
afterAll(async () => {
  await pool.end();
  await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
  await server.end();
  await rm(directory, { recursive: true });
});

const insertTenant = () => pool.query(`INSERT INTO tenants (id, name, ports) VALUES ($1, 'A', 1)`, [newId()]);

test('an upgrade sets no limit of requests to tenants that were there', async () => {
  await insertTenant();
  const { rows } = await pool.query('SELECT requests_per_minute AS limit FROM tenants ORDER BY id');
  expect(rows.map(({ limit }) => limit)).toEqual([null, 600]);
});

test('an upgrade makes the trunk of a campaign the only one in its order', async () => {
  const { rows } = await pool.query('SELECT campaign_id = trunk_id AS kept, position FROM campaign_trunks');
  expect(rows).toEqual([{ kept: true, position: 1 }]);
  const { rows: trunks } = await pool.query('SELECT breaker FROM trunks');
  expect(trunks).toEqual([{ breaker: DEFAULT_BREAKER }]);
});

test('an upgrade keeps the audio of messages, once where several had the same', async () => {
  const { rows } = await pool.query(
    `SELECT m.seconds, m.warnings, m.source_format, s.seconds AS sound_seconds, s.wav, s.ulaw
      FROM messages m JOIN sounds s USING (tenant_id, sha256)`,
  );
  const message = { seconds: 1, warnings: [], source_format: null };
  const sound = { sound_seconds: 1, wav: Buffer.from('RIFF'), ulaw: null };
  expect(rows).toEqual([
    { ...message, ...sound },
    { ...message, ...sound },
  ]);
  expect((await pool.query('SELECT FROM sounds')).rowCount).toBe(1);
});
