import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { registerNode } from '../../src/db/nodes.js';
import { createPool, type Pool } from '../../src/db/pool.js';
import { createLog } from '../../src/log.js';
import { type TurnOptions, takeTurn } from '../../src/node/turn.js';
import { NOTHING_CLOSED } from '../../src/scheduler/closed.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { hashNumber } from '../support/turns.js';

const node = { name: 'a', ports: 100, callsPerSecond: null };
let database: TestDatabase;
let pool: Pool;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeAll(async () => {
  database = await createTestDatabase();
  await registerNode(database.pool, node);
  pool = createPool(database.url, createLog('silent'), { name: 'turning', pipeline: true });
});
beforeEach(() => process.on('unhandledRejection', onUnhandled));
afterEach(() => process.off('unhandledRejection', onUnhandled));
afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('fails, and does not end the process, when the database goes away while it waits for its turn', async () => {
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  try {
    await other.query('BEGIN');
    await other.query('SELECT pg_advisory_xact_lock($1)', [0x63616d70]);
    const options = {
      pool,
      node,
      lock: { require: () => {} },
      templates: new Map([['direct', null]]),
      hashNumber,
      inFlight: new Set<string>(),
      claimMemory: { closed: NOTHING_CLOSED },
    } as unknown as TurnOptions;
    const turn = takeTurn([], () => {}, options);
    turn.catch(() => {});
    const waiting = `SELECT pid FROM pg_stat_activity WHERE application_name = 'turning' AND wait_event_type = 'Lock'`;
    await expect.poll(async () => (await database.pool.query(waiting)).rowCount).toBe(1);
    await database.pool.query(`SELECT pg_terminate_backend(pid) FROM (${waiting}) w`);
    await expect(turn).rejects.toThrow();
    // Node tells of a rejection that nobody heard after the microtasks of the same turn of its loop.
    await new Promise(setImmediate);
    expect(unhandled).toEqual([]);
  } finally {
    await other.end();
  }
});
