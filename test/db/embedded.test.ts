import { spawn } from 'node:child_process';
import { chown, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import {
  answer,
  EmbeddedSandbox,
  findProcesses,
  isRunning,
  ownerOf,
  patient,
  query,
} from '../support/embedded.js';

const sandbox = EmbeddedSandbox.register();
const isRoot = process.getuid?.() === 0;

describe('a first start', () => {
  test('makes a cluster of ours that nobody else can reach, and leaves our signals alone', async () => {
    const listeners = process.listenerCount('SIGTERM');
    const server = await sandbox.start();
    const settings = await query(
      server.url,
      `SELECT current_setting(name) FROM unnest(array['server_encoding', 'synchronous_commit', 'fsync', 'jit',
         'listen_addresses', 'password_encryption', 'data_checksums', 'TimeZone']) AS name`,
    );
    expect(settings).toEqual(['UTF8', 'on', 'on', 'off', '', 'scram-sha-256', 'on', 'UTC']);
    expect(
      await query(server.url, "SELECT datlocprovider::text || ':' || datlocale FROM pg_database"),
    ).toContain('b:C.UTF-8');
    expect(await query(server.url, 'SELECT current_user')).toEqual(['campanile']);
    expect((await stat(join(sandbox.dataDir, 'postgres/password'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(sandbox.dataDir, 'postgres'))).mode & 0o007).toBe(0);
    expect((await stat(join(sandbox.dataDir, 'postgres/run'))).mode & 0o777).toBe(0o700);
    expect(process.listenerCount('SIGTERM')).toBe(listeners);
    const wrong = server.url.replace(/:[^:@/]+@/, ':wrong@');
    await expect(query(wrong, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('writes nothing of a row into its log', async () => {
    const server = await sandbox.start();
    await query(server.url, 'CREATE TABLE people (number text CONSTRAINT one_of_each UNIQUE)');
    await query(server.url, "INSERT INTO people SELECT 's3cr' || 'et'");
    await expect(query(server.url, "INSERT INTO people SELECT 's3cr' || 'et'")).rejects.toThrow(
      'one_of_each',
    );
    const log = () => readFile(join(sandbox.dataDir, 'postgres/server.log'), 'utf8');
    await expect.poll(log, patient).toContain('one_of_each');
    expect(await log()).not.toContain('s3cret');
  });

  test('says what Postgres said when it cannot start', async () => {
    const error = await sandbox
      .start({ settings: { shared_buffers: 'plenty' } })
      .catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'embedded_postgres_failed' });
    expect((error as Error).message).toContain('invalid value for parameter "shared_buffers": "plenty"');
    expect((await sandbox.start()).pid).toBeGreaterThan(1);
  });

  test('that was killed half way is made good by the next', async () => {
    const starter = sandbox.startElsewhere();
    const drafts = async () =>
      (await readdir(join(sandbox.dataDir, 'postgres')).catch(() => [])).filter((name) =>
        name.startsWith('draft-'),
      );
    await expect.poll(drafts, { timeout: 20_000, interval: 5 }).not.toEqual([]);
    await starter.kill();
    const server = await sandbox.start();
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
    expect(await drafts()).toEqual([]);
  });

  test('does not take a directory that holds something else', async () => {
    await mkdir(join(sandbox.dataDir, 'postgres/data'), { recursive: true });
    await writeFile(join(sandbox.dataDir, 'postgres/data/PG_VERSION'), '15\n');
    await expect(sandbox.start()).rejects.toThrow(
      /postgres\/data: it holds a cluster of PostgreSQL 15, and this is 18/,
    );
    await rm(join(sandbox.dataDir, 'postgres/data/PG_VERSION'));
    await expect(sandbox.start()).rejects.toThrow(
      /postgres\/data: it holds no Postgres cluster; move it away/,
    );
  });
});

describe('stop', () => {
  test('ends the server, may be repeated, and keeps the data and the password', async () => {
    const server = await sandbox.start();
    await query(server.url, 'CREATE TABLE t AS SELECT 42 AS x');
    const client = new pg.Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect(await isRunning(server.pid)).toBe(false);
    expect(await answer(server.url)).toMatch(/ENOENT|ECONNREFUSED/);
    const again = await sandbox.start();
    expect(again.url).toBe(server.url);
    expect(await query(again.url, 'SELECT x FROM t')).toEqual([42]);
  });

  test('is not needed after a start that the password was wrong for', async () => {
    const server = await sandbox.start();
    await server.stop();
    await writeFile(join(sandbox.dataDir, 'postgres/password'), 'of-another-cluster');
    const error = await sandbox.start().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'embedded_postgres_refuses' });
    expect((error as Error).message).toContain('password authentication failed');
    expect(await findProcesses(sandbox.dataDir)).toEqual([]);
  });

  test('leaves the server to others who use it, and the last one ends it', async () => {
    const serve = sandbox.startElsewhere();
    const { pid, url } = await serve.report;
    const command = await sandbox.start();
    expect([command.pid, command.url]).toEqual([pid, url]);
    await command.stop();
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    await serve.stop();
    expect(await isRunning(pid!)).toBe(false);
  });

  test('also ends a server that just died', async () => {
    const server = await sandbox.start();
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
    expect(await findProcesses(sandbox.dataDir)).toEqual([]);
  });

  test('also ends a server that is just being started again', async () => {
    let onDeath = () => {};
    const death = new Promise<void>((resolve) => {
      onDeath = resolve;
    });
    const server = await sandbox.start({ log: pino({ level: 'error' }, { write: () => onDeath() }) });
    process.kill(server.pid, 'SIGKILL');
    await death;
    const startedAgain = async () => (await findProcesses(`${sandbox.dataDir}/postgres/data`)).length;
    await expect.poll(startedAgain, { timeout: 20_000, interval: 1 }).toBeGreaterThan(0);
    await server.stop();
    expect(await findProcesses(sandbox.dataDir)).toEqual([]);
  });
});

describe('a server that is killed', () => {
  test('comes back at the same address with all that it acknowledged, again and again', async () => {
    const server = await sandbox.start();
    await query(server.url, 'CREATE TABLE t (x int)');
    for (const round of [1, 2, 3]) {
      await query(server.url, `INSERT INTO t VALUES (${round})`);
      const pid = server.pid;
      process.kill(pid, 'SIGKILL');
      await expect.poll(() => server.pid, patient).not.toBe(pid);
      await expect.poll(() => answer(server.url), patient).toEqual([1]);
    }
    expect(await query(server.url, 'SELECT x FROM t ORDER BY x')).toEqual([1, 2, 3]);
  });

  test('comes back although a backend of it is too busy to notice', async () => {
    const server = await sandbox.start();
    const busy = query(server.url, 'DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$').catch(() => 'cut off');
    const isBusy = "SELECT count(*)::int FROM pg_stat_activity WHERE query ~ '^DO' AND state = 'active'";
    await expect.poll(() => query(server.url, isBusy), patient).toEqual([1]);
    const pid = server.pid;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => server.pid, patient).not.toBe(pid);
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
    expect(await busy).toBe('cut off');
  });

  test('comes back once while two processes watch it', async () => {
    const other = sandbox.startElsewhere();
    await other.report;
    const server = await sandbox.start();
    const pid = server.pid;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => server.pid, patient).not.toBe(pid);
    await expect.poll(() => answer(server.url), patient).toEqual([1]);
    const postmasters = (await findProcesses(`${sandbox.dataDir}/postgres/data`)).filter((line) =>
      line.includes('bin/postgres'),
    );
    expect(postmasters).toEqual([expect.stringMatching(new RegExp(`^${server.pid} `))]);
  });
});

describe('a process of ours that is killed', () => {
  test('leaves the server running; the next adopts it and brings it back when it dies', async () => {
    const starter = sandbox.startElsewhere();
    const { pid, url } = await starter.report;
    await query(url!, 'CREATE TABLE t AS SELECT 42 AS x');
    await starter.kill();
    expect(await query(url!, 'SELECT x FROM t')).toEqual([42]);
    const server = await sandbox.start();
    expect([server.pid, server.url]).toEqual([pid, url]);
    process.kill(pid!, 'SIGKILL');
    await expect.poll(() => server.pid, patient).not.toBe(pid);
    expect(await query(server.url, 'SELECT x FROM t')).toEqual([42]);
    await server.stop();
    expect(await isRunning(server.pid)).toBe(false);
  });

  test('together with its server, in the middle of work, costs nothing that was acknowledged', async () => {
    const starter = sandbox.startElsewhere();
    const { pid, url } = await starter.report;
    await query(url!, 'CREATE TABLE t AS SELECT 42 AS x');
    const busy = query(url!, 'DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$').catch(() => 'cut off');
    await Promise.all([starter.kill(), process.kill(pid!, 'SIGKILL')]);
    const server = await sandbox.start();
    expect(await query(server.url, 'SELECT x FROM t')).toEqual([42]);
    expect(await busy).toBe('cut off');
  });

  test('along with its server leaves a number that somebody else gets, and that is no obstacle', async () => {
    const server = await sandbox.start();
    await server.stop();
    // Postgres itself takes any live process of its own user for the server, and refuses to start.
    const uid = await ownerOf(join(sandbox.dataDir, 'postgres/data'));
    const stranger = spawn('sleep', ['600'], {
      cwd: '/',
      stdio: 'ignore',
      ...(isRoot ? { uid, gid: uid } : {}),
    });
    try {
      const pidFile = join(sandbox.dataDir, 'postgres/data/postmaster.pid');
      await writeFile(
        pidFile,
        `${stranger.pid}\n${sandbox.dataDir}/postgres/data\n1795289944\n5432\n\n\n  1 1\nready   \n`,
      );
      await chown(pidFile, uid, uid);
      const again = await sandbox.start();
      expect(again.pid).not.toBe(stranger.pid);
      expect(await isRunning(stranger.pid!)).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });
});

test('starters at once on a fresh folder share one server', async () => {
  const others = [sandbox.startElsewhere(), sandbox.startElsewhere(), sandbox.startElsewhere()];
  const [mine, also] = await Promise.all([sandbox.start(), sandbox.start()]);
  const reports = await Promise.all(others.map((starter) => starter.report));
  expect(new Set([mine.pid, also.pid, ...reports.map((report) => report.pid)]).size).toBe(1);
  expect(new Set([mine.url, also.url, ...reports.map((report) => report.url)]).size).toBe(1);
  await query(mine.url, 'CREATE TABLE t AS SELECT 42 AS x');
  await Promise.all([mine.stop(), ...others.map((starter) => starter.stop())]);
  expect(await query(also.url, 'SELECT x FROM t')).toEqual([42]);
});

test('a server that cannot be seen, as in another container, is not run over', async () => {
  const server = await sandbox.start();
  await server.stop();
  const lock = join(sandbox.dataDir, 'postgres/server.lock');
  const hidden = spawn('flock', [lock, 'sh', '-c', 'echo locked; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  await new Promise((resolve) => hidden.stdout.once('data', resolve));
  try {
    await expect(sandbox.start()).rejects.toThrow(/another one runs on it that cannot be seen from here/);
  } finally {
    process.kill(-hidden.pid!, 'SIGKILL');
  }
  expect((await sandbox.start()).pid).toBeGreaterThan(1);
});
