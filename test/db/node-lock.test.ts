import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { lockNode, type NodeLock } from '../../src/db/node-lock.js';
import type { CampanileError } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
const locks: NodeLock[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const lock of locks.splice(0)) await lock.release();
});
afterAll(() => database.drop());

async function lock(node: string, beforeRegained: () => Promise<unknown> = async () => {}) {
  const seen = { regained: 0, taken: [] as CampanileError[] };
  const held = await lockNode(database.url, node, {
    beforeRegained,
    onRegained: () => {
      seen.regained += 1;
    },
    onTaken: (error) => seen.taken.push(error),
    log: createLog('silent'),
  });
  locks.push(held);
  return { held, seen };
}

/** Ends the session that holds the node, as a restart of Postgres does. */
const breakOff = (node: string) =>
  database.pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
    `campanile node ${node}`,
  ]);

it('refuses a second process, until the first lets go', async () => {
  const { held } = await lock('one');
  await expect(lock('one')).rejects.toMatchObject({ code: 'node_taken' });
  await lock('other');
  await held.release();
  await expect(lock('one')).resolves.toBeDefined();
});

it('takes the node again when the connection broke, and has nothing done until then', async () => {
  const { held, seen } = await lock('back');
  expect(() => held.require()).not.toThrow();
  for (const times of [1, 2]) {
    await breakOff('back');
    await expect.poll(() => isHeld(held), { interval: 1 }).toBe(false);
    await expect.poll(() => seen.regained).toBe(times);
    expect(() => held.require()).not.toThrow();
  }
  await expect(lock('back')).rejects.toMatchObject({ code: 'node_taken' });
  expect(seen.taken).toEqual([]);
});

it('is not held again before what comes first is done, however often that fails', async () => {
  let asked = 0;
  let go: (value: unknown) => void = () => {};
  const compared = new Promise((resolve) => {
    go = resolve;
  });
  const { held, seen } = await lock('first', () => {
    asked += 1;
    return asked < 3 ? Promise.reject(new Error('not yet')) : compared;
  });
  expect(asked).toBe(0);
  await breakOff('first');
  await expect.poll(() => asked, { timeout: 10_000 }).toBe(3);
  expect([isHeld(held), seen.regained]).toEqual([false, 0]);
  go(null);
  await expect.poll(() => seen.regained).toBe(1);
  expect(isHeld(held)).toBe(true);
});

it('does not go on when another process became the node meanwhile', async () => {
  const { held, seen } = await lock('lost');
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  try {
    // It waits in the queue of the lock, and is the next to have it.
    const taken = other.query('SELECT pg_advisory_lock($1, hashtext($2))', [0x6e6f6465, 'lost']);
    const waits = async () =>
      (await database.pool.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`))
        .rowCount;
    await expect.poll(waits).toBe(1);
    await breakOff('lost');
    await taken;
    await expect.poll(() => seen.taken.map(({ code }) => code), { timeout: 10_000 }).toEqual(['node_taken']);
    expect(() => held.require()).toThrow(expect.objectContaining({ code: 'node_lost' }));
    expect(seen.regained).toBe(0);
  } finally {
    await other.end();
  }
});

it('stops asking for the node once it was released', async () => {
  const { held, seen } = await lock('released');
  await breakOff('released');
  await expect.poll(() => isHeld(held), { interval: 1 }).toBe(false);
  await held.release();
  const { seen: next } = await lock('released');
  expect([seen.regained, next.regained]).toEqual([0, 0]);
});

function isHeld(held: NodeLock): boolean {
  try {
    held.require();
    return true;
  } catch {
    return false;
  }
}
