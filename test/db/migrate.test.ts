import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PG_MIGRATE_LOCK_ID } from 'node-pg-migrate';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { migrate } from '../../src/db/migrate.js';
import { asTenant, createPool, type Pool } from '../../src/db/pool.js';
import { createLog } from '../../src/log.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const log = createLog('silent');
let server: Pool;
let url: string;
let database: pg.Client;
let directory: string;
let count = 0;

beforeAll(() => {
  server = createPool(inject('database').serverUrl, log, { max: 1 });
});
afterAll(() => server.end());

beforeEach(async () => {
  count += 1;
  const name = `migrate_${process.pid}_${count}`;
  await server.query(`CREATE DATABASE ${name}`);
  url = Object.assign(new URL(inject('database').serverUrl), { pathname: `/${name}` }).href;
  database = new pg.Client({ connectionString: url });
  await database.connect();
  directory = await mkdtemp(join(tmpdir(), 'campanile-migrate-'));
});

afterEach(async () => {
  await database.end();
  await server.query(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
  await rm(directory, { recursive: true });
});

const write = (name: string, sql: string) => writeFile(join(directory, name), sql);
const values = async (sql: string) => (await database.query({ text: sql, rowMode: 'array' })).rows.flat();

test('runs what is new, in order, and once', async () => {
  await write('0002_second.sql', "INSERT INTO t VALUES ('two');");
  await write(
    '0001_first.sql',
    "CREATE TABLE t (x text); INSERT INTO t VALUES ('one; $1 {x}');\n-- an end without ;",
  );
  expect(await migrate(url, log, { directory })).toEqual(['0001_first', '0002_second']);
  expect(await migrate(url, log, { directory })).toEqual([]);
  await write('0003_third.sql', "INSERT INTO t VALUES ('three')");
  expect(await migrate(url, log, { directory })).toEqual(['0003_third']);
  expect(await values('SELECT x FROM t')).toEqual(['one; $1 {x}', 'two', 'three']);
});

test('takes only numbered .sql files for migrations', async () => {
  await write('0001_first.sql', 'CREATE TABLE t ()');
  await write('README.md', 'not SQL');
  await write('0001_first.sql.swp', 'not SQL');
  await write('0002_draft.sql~', 'not SQL');
  await write('.0003_hidden.sql', 'not SQL');
  expect(await migrate(url, log, { directory })).toEqual(['0001_first']);
});

test('leaves nothing of a migration that fails and says where it did; those before it stay', async () => {
  await write('0001_good.sql', 'CREATE TABLE good ()');
  await write('0002_bad.sql', 'CREATE TABLE half ();\n\nCREATE TABLE other (x nosuchtype);\n');
  const error = await migrate(url, log, { directory }).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({
    code: 'migration_failed',
    message: 'cannot run migration 0002_bad at line 3: type "nosuchtype" does not exist',
  });
  expect(await values("SELECT to_regclass('good'), to_regclass('half')")).toEqual(['good', null]);
  await write('0002_bad.sql', 'CREATE TABLE half ()');
  expect(await migrate(url, log, { directory })).toEqual(['0002_bad']);
});

test('lets one of many installers work while the others wait', async () => {
  await write('0001_slow.sql', 'CREATE TABLE t (x int); SELECT pg_sleep(0.3); INSERT INTO t VALUES (1);');
  await write('0002_more.sql', 'INSERT INTO t VALUES (2);');
  const ran = await Promise.all(Array.from({ length: 8 }, () => migrate(url, log, { directory })));
  expect(ran.filter((names) => names.length > 0)).toEqual([['0001_slow', '0002_more']]);
  expect(await values('SELECT x FROM t')).toEqual([1, 2]);
});

test('gives up waiting for an installer that never ends', async () => {
  await write('0001_first.sql', 'CREATE TABLE t ()');
  await database.query('SELECT pg_advisory_lock($1)', [PG_MIGRATE_LOCK_ID]);
  await expect(migrate(url, log, { directory, waitSeconds: 0.1 })).rejects.toMatchObject({
    code: 'migrations_busy',
  });
  expect(await values("SELECT to_regclass('t')")).toEqual([null]);
});

test('refuses a database with migrations it does not know', async () => {
  await write('0001_first.sql', 'CREATE TABLE t ()');
  await write('0002_later.sql', 'CREATE TABLE u ()');
  await migrate(url, log, { directory });
  await rm(join(directory, '0002_later.sql'));
  const error = await migrate(url, log, { directory }).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: 'database_newer' });
  expect((error as Error).message).toContain('0002_later; its newest is 0001_first');
});

test('refuses two migrations with one number, and a directory that is not there', async () => {
  await write('0001_a.sql', 'SELECT 1');
  await write('0001_b.sql', 'SELECT 1');
  await expect(migrate(url, log, { directory })).rejects.toThrow('two migrations are numbered 0001');
  await expect(migrate(url, log, { directory: join(directory, 'nowhere') })).rejects.toMatchObject({
    code: 'migrations_missing',
  });
});

test('leaves no lock and no connection behind, also after a failure', async () => {
  await write('0001_bad.sql', 'SELECT 1/0');
  await expect(migrate(url, log, { directory })).rejects.toThrow(
    'cannot run migration 0001_bad: division by zero',
  );
  await expect
    .poll(() => values("SELECT pid FROM pg_stat_activity WHERE application_name = 'campanile migrate'"))
    .toEqual([]);
});

test("brings an empty database to the product's own schema, which test databases are cloned from", async () => {
  const ran = await migrate(url, log);
  expect(ran.length).toBeGreaterThan(0);
  let clone: TestDatabase | undefined;
  try {
    clone = await createTestDatabase();
    expect(await migrate(clone.url, log)).toEqual([]);
  } finally {
    await clone?.drop();
  }
});

test('serves a user who is no superuser, when the role of tenants was granted to it', async () => {
  const user = `app_${process.pid}`;
  const name = new URL(url).pathname.slice(1);
  // The template database has been migrated, so the role is there: a superuser would make and grant it.
  await server.query(`CREATE ROLE ${user} LOGIN PASSWORD 'secret'`);
  try {
    await server.query(`ALTER DATABASE ${name} OWNER TO ${user}`);
    const own = Object.assign(new URL(url), { username: user, password: 'secret' }).href;
    await expect(migrate(own, log)).rejects.toThrow(`GRANT campanile_tenant TO ${user}`);
    await server.query(`GRANT campanile_tenant TO ${user}`);
    await migrate(own, log);
    const pool = createPool(own, log);
    const tenantId = '01900000-0000-7000-8000-000000000000';
    await pool.query(`INSERT INTO tenants (id, name, ports) VALUES ($1, 'one', 1), ($2, 'other', 1)`, [
      tenantId,
      tenantId.replace('01900000', '01900001'),
    ]);
    const { rows } = await asTenant(pool, tenantId).query('SELECT name FROM tenants');
    expect(rows).toEqual([{ name: 'one' }]);
    await pool.end();
  } finally {
    await database.end();
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await server.query(`CREATE DATABASE ${name}`);
    await server.query(`DROP OWNED BY ${user}; DROP ROLE ${user}`);
    database = new pg.Client({ connectionString: url });
    await database.connect();
  }
});
