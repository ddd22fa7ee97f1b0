import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createCallNotes } from '../../src/agi/notes.js';
import type { Happened } from '../../src/calls/flow/happened.js';
import { isAway } from '../../src/db/away.js';
import { registerNode } from '../../src/db/nodes.js';
import type { Db } from '../../src/db/pool.js';
import { insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { claimInTurn } from '../support/turns.js';

const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };
const step = (at: string): Happened => ({ at, step: 'menu', type: 'menu', heard_seconds: 1 }) as Happened;

let database: TestDatabase;
let callId: string;
/** What the database answers with while it is away. */
let failure: Error | null;
/** Whether the connection breaks only once the statement is done. */
let late: boolean;
let asked: number;
let stop = () => {};

beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(() => stop());
afterAll(() => database.drop());

beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks CASCADE');
  await registerNode(database.pool, node);
  const tenant = await insertTenantFixture(database.pool, {});
  await insertCampaignFixture(database.pool, tenant, numbersFor('200', 1));
  const { calls } = await claimInTurn(database.pool, node, async () => {});
  callId = calls[0]!.callId;
  failure = null;
  late = false;
  asked = 0;
});

const db: Db = {
  async query<R extends pg.QueryResultRow>(statement: string | pg.QueryConfig, values?: unknown[]) {
    asked += 1;
    if (failure && !late) throw failure;
    const result = await database.pool.query<R>(statement as string, values);
    if (failure) throw failure;
    return result;
  },
};

function createNotes(): ReturnType<typeof createCallNotes> {
  const notes = createCallNotes(db, 'a');
  stop = notes.stop;
  return notes;
}

const refused = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const attempt = async () => (await database.pool.query('SELECT * FROM attempts')).rows[0];

it('keeps what was heard while the database is away, lets nobody wait for it, and writes it once it is back', async () => {
  const notes = createNotes();
  failure = refused();
  const written = [
    notes.write({ callId, answeredAt: new Date('2026-11-22T08:00:00Z') }),
    notes.write({ callId, steps: [step('2026-11-22T08:00:01.000Z')], answers: { pain: '7' } }),
    notes.write({ callId, steps: [step('2026-11-22T08:00:02.000Z')], heardSeconds: 2, key: '5' }),
  ];
  for (const one of written) await expect(one).rejects.toThrow('ECONNREFUSED');
  await database.pool.query(
    `UPDATE attempts SET state = 'ended', ended_at = now(), disposition = 'answered', silent = true`,
  );
  failure = null;
  await expect.poll(async () => (await attempt()).heard_seconds, { timeout: 5000 }).toBe(2);
  expect(await attempt()).toMatchObject({
    answered_at: new Date('2026-11-22T08:00:00Z'),
    key: '5',
    answers: { pain: '7' },
    silent: false,
    steps: [{ at: '2026-11-22T08:00:01.000Z' }, { at: '2026-11-22T08:00:02.000Z' }],
  });
});

it('counts a step once that was written just before the connection broke', async () => {
  const notes = createNotes();
  failure = new Error('Connection terminated unexpectedly');
  late = true;
  const note = { callId, steps: [step('2026-11-22T08:00:01.000Z')], heardSeconds: 1 };
  await expect(notes.write(note)).rejects.toThrow('Connection terminated');
  failure = null;
  await expect.poll(() => asked, { timeout: 5000 }).toBe(2);
  await expect(notes.write({ callId, key: '1' })).resolves.toBe(true);
  expect((await attempt()).steps).toHaveLength(1);
});

it('does not keep the report of a hangup, which the dialplan does', async () => {
  const notes = createNotes();
  failure = refused();
  const report = { hangupCause: 16 } as NonNullable<Parameters<typeof notes.write>[0]['hangup']>;
  await expect(notes.write({ callId, hangup: report })).rejects.toThrow('ECONNREFUSED');
  failure = null;
  await expect(notes.write({ callId, heardSeconds: 1 })).resolves.toBe(true);
  expect(await attempt()).toMatchObject({ hangup_at: null, heard_seconds: 1 });
});

it('does not try again what the database refuses, nor anything once it was stopped', async () => {
  const notes = createNotes();
  failure = Object.assign(new Error('no such column'), { code: '42703' });
  await expect(notes.write({ callId, heardSeconds: 1 })).rejects.toThrow('no such column');
  failure = refused();
  notes.stop();
  await expect(notes.write({ callId, heardSeconds: 2 })).rejects.toThrow('ECONNREFUSED');
  failure = null;
  await expect(notes.write({ callId, key: '3' })).resolves.toBe(true);
  expect(await attempt()).toMatchObject({ heard_seconds: null, key: '3' });
  expect(asked).toBe(3);
});

it.each([
  ['57P01', '', true],
  ['08006', '', true],
  ['ECONNRESET', '', true],
  ['EAI_AGAIN', 'getaddrinfo EAI_AGAIN postgres', true],
  [undefined, 'Connection terminated unexpectedly', true],
  [undefined, 'Query read timeout', true],
  ['23505', 'duplicate key', false],
  [undefined, "Cannot read properties of undefined (reading 'x')", false],
])('takes an error %s "%s" for the absence of the database: %s', (code, message, away) => {
  expect(isAway(Object.assign(new Error(message), code ? { code } : {}))).toBe(away);
});

it('are written one by one where several met another who wants the same rows in another order', async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks CASCADE');
  await registerNode(database.pool, node);
  const tenant = await insertTenantFixture(database.pool, {});
  await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3));
  const { calls } = await claimInTurn(database.pool, node, async () => {});
  const ids = calls.map((call) => call.callId);
  const notes = createNotes();
  const other = await database.pool.connect();
  const lock = (id: string) =>
    other.query('SELECT FROM attempts WHERE id = $1 FOR UPDATE', [id.split('.')[1]]);
  const waits = async () =>
    (await database.pool.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)).rowCount === 1;
  try {
    for (const [first, second] of [
      [1, 2],
      [2, 1],
    ] as const) {
      await other.query('BEGIN');
      await lock(ids[first]!);
      const written = ids.map((id, i) => notes.write({ callId: id, heardSeconds: i + first }));
      await expect.poll(waits, { timeout: 10_000 }).toBe(true);
      await lock(ids[second]!);
      await other.query('COMMIT');
      expect(await Promise.all(written)).toEqual([true, true, true]);
    }
  } finally {
    other.release();
  }
});
