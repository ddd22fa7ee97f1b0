import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createPool, type Listener, listen, type Pool, snapshot, transaction } from '../../src/db/pool.js';
import { createLog } from '../../src/log.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const log = createLog('silent');
let database: TestDatabase;
let pool: Pool;
let listener: Listener | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool(database.url, log, { max: 2, name: 'pool under test' });
  await pool.query('CREATE TABLE notes (x int)');
});
afterEach(async () => {
  await listener?.stop();
  listener = undefined;
  await pool.query('TRUNCATE notes');
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const notes = async () =>
  (await pool.query<{ x: number }>('SELECT x FROM notes ORDER BY x')).rows.map((row) => row.x);
const endConnections = (name: string) =>
  database.pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
    name,
  ]);

test('gives bigint as a number, timestamptz as a Date and date as text', async () => {
  const { rows } = await pool.query(
    "SELECT 9007199254740991 AS big, '{1,null,3}'::bigint[] AS many, '2026-11-21 10:00+02'::timestamptz AS at, '2026-11-21'::date AS day",
  );
  expect(rows).toEqual([
    { big: 9007199254740991, many: [1, null, 3], at: new Date('2026-11-21T08:00:00Z'), day: '2026-11-21' },
  ]);
});

test('rejects a bigint that a number cannot hold, and goes on', async () => {
  await expect(pool.query('SELECT 9007199254740993 AS big')).rejects.toThrow('does not fit into a number');
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('ends statements and idle transactions that take too long', async () => {
  const { rows } = await pool.query(
    "SELECT current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('application_name') AS name",
  );
  expect(rows).toEqual([{ statement: '30s', idle: '30s', name: 'pool under test' }]);
  const hasty = createPool(database.url, log, { max: 1, statementSeconds: 0.05 });
  await expect(hasty.query('SELECT pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
  await hasty.end();
});

test('survives the loss of its idle connections', async () => {
  await pool.query('SELECT 1');
  await endConnections('pool under test');
  await expect
    .poll(() => pool.query('SELECT 1 AS one').then(({ rows }) => rows, String))
    .toEqual([{ one: 1 }]);
});

test('commits what resolves and returns its value', async () => {
  const value = await transaction(pool, async (tx) => {
    await tx.query('INSERT INTO notes VALUES ($1)', [1]);
    return 'done';
  });
  expect(value).toBe('done');
  expect(await notes()).toEqual([1]);
});

test('rolls back what throws, and gives the connection back', async () => {
  for (let round = 0; round < 5; round += 1) {
    const work = transaction(pool, async (tx) => {
      await tx.query('INSERT INTO notes VALUES (1)');
      throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
  }
  expect(await notes()).toEqual([]);
  expect(pool.idleCount).toBe(pool.totalCount);
});

test('does not call a transaction committed in which a statement failed unheard', async () => {
  const work = transaction(pool, async (tx) => {
    await tx.query('INSERT INTO notes VALUES (1)');
    await tx.query('SELECT 1/0').catch(() => {});
  });
  await expect(work).rejects.toMatchObject({ code: 'transaction_aborted' });
  expect(await notes()).toEqual([]);
});

test('shows in a snapshot what was there at its first statement, and writes nothing', async () => {
  await pool.query('INSERT INTO notes VALUES (1)');
  await snapshot(pool, 60, async (tx) => {
    const read = async () => (await tx.query('SELECT x FROM notes')).rows;
    expect(await read()).toEqual([{ x: 1 }]);
    await database.pool.query('INSERT INTO notes VALUES (2)');
    expect(await read()).toEqual([{ x: 1 }]);
    const { rows } = await tx.query("SELECT current_setting('idle_in_transaction_session_timeout') AS idle");
    expect(rows).toEqual([{ idle: '1min' }]);
  });
  const writing = snapshot(pool, 60, (tx) => tx.query('INSERT INTO notes VALUES (3)'));
  await expect(writing).rejects.toMatchObject({ code: '25006' });
  expect(await notes()).toEqual([1, 2]);
});

test('drops a connection that breaks within a transaction', async () => {
  const work = transaction(pool, async (tx) => {
    await tx.query('INSERT INTO notes VALUES (1)');
    await endConnections('pool under test');
    await tx.query('INSERT INTO notes VALUES (2)');
  });
  await expect(work).rejects.toThrow();
  await expect.poll(() => notes().catch(String)).toEqual([]);
  expect(pool.idleCount).toBe(pool.totalCount);
});

test('survives a connection that breaks while the transaction does something else', async () => {
  const work = transaction(pool, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await database.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    await vi.waitFor(async () => {
      const { rowCount } = await database.pool.query('SELECT FROM pg_stat_activity WHERE pid = $1', [
        rows[0]?.pid,
      ]);
      expect(rowCount).toBe(0);
    });
  });
  await expect(work).rejects.toThrow();
  await expect.poll(() => notes().catch(String)).toEqual([]);
});

test('hears what is notified on its channels', async () => {
  const heard: [string, string][] = [];
  listener = listen(database.url, ['calls', 'Odd "name"'], (...hint) => heard.push(hint), log);
  await listener.start();
  await pool.query(`NOTIFY calls, 'one'`);
  await pool.query(`NOTIFY "Odd ""name""", 'two'`);
  await pool.query(`NOTIFY other, 'three'`);
  await expect
    .poll(() => heard)
    .toEqual([
      ['calls', 'one'],
      ['Odd "name"', 'two'],
    ]);
});

test('hints at each channel once after it had to reconnect, because it may have missed something', async () => {
  const heard: [string, string][] = [];
  listener = listen(database.url, ['calls', 'trunks'], (...hint) => heard.push(hint), log);
  await listener.start();
  await endConnections('campanile listen');
  await expect
    .poll(() => heard)
    .toEqual([
      ['calls', ''],
      ['trunks', ''],
    ]);
  await pool.query(`NOTIFY calls, 'again'`);
  await expect.poll(() => heard.at(-1)).toEqual(['calls', 'again']);
  expect(heard).toHaveLength(3);
});

test('goes on hearing after a handler threw', async () => {
  const heard: string[] = [];
  const onNotify = (_channel: string, payload: string) => {
    heard.push(payload);
    throw new Error('handler');
  };
  listener = listen(database.url, ['calls'], onNotify, log);
  await listener.start();
  await pool.query(`NOTIFY calls, 'one'`);
  await pool.query(`NOTIFY calls, 'two'`);
  await expect.poll(() => heard).toEqual(['one', 'two']);
});

test('stops twice, without a start, and while there is no server', async () => {
  const never = listen(database.url, ['calls'], () => {}, log);
  await never.stop();
  await never.stop();
  const lost = listen('postgres://nobody:x@127.0.0.1:1/none', ['calls'], () => {}, log);
  const started = lost.start();
  await lost.stop();
  await lost.stop();
  await started;
});
