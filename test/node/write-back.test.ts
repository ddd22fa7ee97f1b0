import { randomBytes } from 'node:crypto';
import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { callIdOf } from '../../src/calls/call-id.js';
import { createPool, type Pool } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import { freePort } from '../../src/lab/ports.js';
import { writeBack } from '../../src/node/write-back.js';
import { createJournal, type Journal } from '../../src/spool/journal.js';
import { makeSpool, silent, type TempSpool } from '../spool/temp-spool.js';
import {
  attemptsOf,
  contactsOf,
  countersOf,
  groupBy,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type Program, startProgram } from '../support/program.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

describe('a database that was restored from a copy', () => {
  let line: SandboxLine;
  let tenant: TenantFixture;
  let copy: { url: string; pool: Pool };
  let program: Program;
  beforeEach(async () => {
    line = await startSandboxLine({ testMode: 'off' });
    tenant = await insertTenantFixture(line.database.pool);
  }, 60_000);
  afterEach(async () => {
    await program?.kill();
    await line?.stop();
    await copy?.pool.end();
    await onServer(`DROP DATABASE IF EXISTS ${new URL(copy.url).pathname.slice(1)} WITH (FORCE)`);
  });

  async function onServer(...statements: string[]): Promise<void> {
    const server = createPool(inject('database').serverUrl, silent, { max: 1 });
    for (const statement of statements) await server.query(statement);
    await server.end();
  }

  /** What a copy of the database would have now. */
  async function takeCopy(): Promise<typeof copy> {
    const from = new URL(line.database.url).pathname.slice(1);
    const name = `copy_${randomBytes(6).toString('hex')}`;
    await onServer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${from}'`,
      `CREATE DATABASE ${name} TEMPLATE ${from}`,
    );
    const url = Object.assign(new URL(line.database.url), { pathname: `/${name}` }).href;
    return { url, pool: createPool(url, silent, { max: 2 }) };
  }

  async function callUntil(calls: number): Promise<void> {
    const listen = { host: '127.0.0.1', port: await freePort('tcp') };
    program = await startProgram({ ...line.config, listen });
    await vi.waitFor(() => expect(line.witness.total).toBeGreaterThan(calls), {
      timeout: 20_000,
      interval: 2,
    });
    await program.kill();
  }

  it('calls nobody again whom the copy takes for not called yet', async () => {
    const numbers = ['203', '486', '404'].flatMap((code) => numbersFor(code, 60));
    const id = await insertCampaignFixture(line.database.pool, tenant, numbers, {
      ports: 8,
      retry: { busy: '1s' },
    });
    await callUntil(20);
    copy = await takeCopy();
    await callUntil(110);
    const called = line.witness.calls();

    await line.start({ databaseUrl: copy.url });
    await untilCompleted(copy.pool, [id], 60);
    const attempts = await attemptsOf(copy.pool, id);
    const perNumber = (of: { number: string }[]) =>
      Object.fromEntries(
        [...groupBy(of, (a) => a.number)].map(([number, some]) => [number, some.length]).toSorted(),
      );
    expect(perNumber(line.witness.calls())).toEqual(perNumber(attempts));
    expect(line.witness.total).toBeGreaterThan(called.length);
    for (const { number, attempts: count, state } of await contactsOf(copy.pool, id)) {
      if (number.endsWith('486')) expect(count).toBeLessThanOrEqual(2);
      else expect([number, count]).toEqual([number, 1]);
      expect(['answered', 'busy', 'invalid', 'failed']).toContain(state);
    }
    const dispositions: Record<string, string> = { 203: 'answered', 486: 'busy', 404: 'invalid_number' };
    const asTheyWere = attempts.filter((a) => a.disposition === dispositions[a.number.slice(-3)]);
    // Of the others nobody can know: they were up when the copy was taken, or when the process was killed.
    expect(attempts.length - asTheyWere.length).toBeLessThanOrEqual(8);
    expect(attempts.filter((a) => a.disposition === 'lost').length).toBe(attempts.length - asTheyWere.length);
    const { kept, counted } = await countersOf(copy.pool, id);
    expect(kept).toEqual(counted);
    expect(await readdir(join(line.config.spoolDir, 'campanile/quarantine'))).toEqual([]);
  });
});

describe('what the journal knows and the database does not', () => {
  let database: TestDatabase;
  let tenant: TenantFixture;
  let temp: TempSpool;
  let journal: Journal;
  const node = 'pbx-1';
  beforeAll(async () => {
    database = await createTestDatabase();
    tenant = await insertTenantFixture(database.pool);
  });
  beforeEach(async () => {
    temp = await makeSpool();
    journal = createJournal(temp.spool);
  });
  afterEach(() => temp.remove());
  afterAll(() => database.drop());

  const ENDED_AT = new Date(Date.now() - 600_000);
  const newCallId = () => callIdOf(tenant.tenantId, newId());
  const entryOf = (contactId: string, callId = newCallId()) => {
    const { trunkId, pbxTrunk } = tenant;
    return { callId, contactId, trunkId, pbxTrunk };
  };
  const writeBackAll = () => writeBack({ pool: database.pool, node, journal, log: silent });
  const insert = async (numbers: number, options: Parameters<typeof insertCampaignFixture>[3] = {}) => {
    const id = await insertCampaignFixture(database.pool, tenant, numbersFor('200', numbers), options);
    return { id, contacts: await contactsOf(database.pool, id) };
  };
  const told = async (id: string) =>
    (await attemptsOf(database.pool, id)).map(({ ordinal, state, disposition }) => [
      ordinal,
      state,
      disposition,
    ]);

  it('is written back in its order, each attempt as it ended', async () => {
    const { id, contacts } = await insert(3, { retry: { busy: '1h' } });
    const [first, second, third] = contacts.map((c) => c.id) as [string, string, string];
    const tries = [entryOf(first), entryOf(first), entryOf(second), entryOf(third)] as const;
    journal.claimed([tries[0]]);
    journal.ended([{ callId: tries[0].callId, disposition: 'busy' }], ENDED_AT);
    journal.claimed(tries.slice(1));
    journal.ended([{ callId: tries[1].callId, disposition: 'answered' }], ENDED_AT);
    expect(await writeBackAll()).toBe(4);
    expect(await told(id)).toEqual([
      [1, 'ended', 'busy'],
      [2, 'ended', 'answered'],
      [1, 'open', null],
      [1, 'open', null],
    ]);
    const [answered] = (await attemptsOf(database.pool, id)).filter((a) => a.ordinal === 2);
    // Nobody knows what he heard: that is no silent call.
    expect(answered).toMatchObject({
      silent: false,
      ended_at: ENDED_AT,
      node,
      pbx_trunk: tenant.pbxTrunk,
      trunk_id: tenant.trunkId,
    });
    expect((await contactsOf(database.pool, id)).map((c) => c.state)).toEqual([
      'answered',
      'calling',
      'calling',
    ]);
    // Once.
    expect(await writeBackAll()).toBe(0);
    expect(await told(id)).toHaveLength(4);
  });

  it('ends what the copy has as open', async () => {
    const { id, contacts } = await insert(1);
    const entry = entryOf(contacts[0]!.id);
    journal.claimed([entry]);
    await writeBackAll();
    expect(await told(id)).toEqual([[1, 'open', null]]);
    journal.ended([{ callId: entry.callId, disposition: 'no_answer' }], ENDED_AT);
    await writeBackAll();
    expect(await told(id)).toEqual([[1, 'ended', 'no_answer']]);
  });

  it('takes for lost what was tried again, and whose end nobody wrote down', async () => {
    const { id, contacts } = await insert(1, { retry: { lost: '1h' } });
    const contact = contacts[0]!.id;
    journal.claimed([entryOf(contact), entryOf(contact)]);
    expect(await writeBackAll()).toBe(2);
    expect(await told(id)).toEqual([
      [1, 'ended', 'lost'],
      [2, 'open', null],
    ]);
  });

  it('is written back of a campaign that was cancelled before the node had its database', async () => {
    const { id, contacts } = await insert(2, { status: 'cancelled', retry: { busy: '1h' } });
    await database.pool.query(`UPDATE contacts SET state = 'cancelled' WHERE campaign_id = $1`, [id]);
    const entries = contacts.map((c) => entryOf(c.id));
    journal.claimed(entries);
    journal.ended([{ callId: entries[0]!.callId, disposition: 'answered' }], ENDED_AT);
    journal.ended([{ callId: entries[1]!.callId, disposition: 'busy' }], ENDED_AT);
    expect(await writeBackAll()).toBe(2);
    expect((await contactsOf(database.pool, id)).map((c) => c.state).toSorted()).toEqual([
      'answered',
      'cancelled',
    ]);
  });

  it('leaves alone who was never called, whose claim was undone, and who has ended', async () => {
    const { id, contacts } = await insert(3);
    const [released, ended] = contacts.map((c) => entryOf(c.id));
    journal.claimed([released!, ended!, entryOf(newId())]);
    journal.released([released!.callId]);
    await database.pool.query(`UPDATE contacts SET state = 'cancelled' WHERE id = $1`, [ended!.contactId]);
    expect(await writeBackAll()).toBe(0);
    expect((await contactsOf(database.pool, id)).map((c) => c.state).toSorted()).toEqual([
      'cancelled',
      'pending',
      'pending',
    ]);
  });

  it('reads no further back than to the last call that the database has', async () => {
    const { contacts } = await insert(2);
    const entries = contacts.map((c) => entryOf(c.id));
    journal.claimed([entries[0]!]);
    await writeBackAll();
    for (let i = 0; i < 3; i++) journal.claimed(Array.from({ length: 1000 }, () => entryOf(newId())));
    journal.claimed([entries[0]!]);
    let chunks = 0;
    const counting = {
      *readBack() {
        for (const chunk of journal.readBack()) {
          chunks += 1;
          yield chunk;
        }
      },
    };
    await writeBack({ pool: database.pool, node, journal: counting, log: silent });
    expect(chunks).toBe(1);
  });

  it('counts against no trunk that works today', async () => {
    const { contacts } = await insert(20);
    const entries = contacts.map((c) => entryOf(c.id));
    journal.claimed(entries);
    journal.ended(
      entries.map(({ callId }) => ({ callId, disposition: 'congestion' as const })),
      ENDED_AT,
    );
    await database.pool.query(
      `UPDATE trunks SET breaker = '{"failures": 4, "share": 0.5, "seconds": 60, "rest_seconds": 300}'`,
    );
    expect(await writeBackAll()).toBe(20);
    const { rows } = await database.pool.query('SELECT resting_until FROM trunks');
    expect(rows).toEqual([{ resting_until: null }]);
  });

  it('keeps what it knew when a crash cut a line short', async () => {
    const [whole, cut] = [entryOf(newId()), entryOf(newId())];
    journal.claimed([whole, cut]);
    const [name] = await readdir(temp.spool.journal);
    const path = join(temp.spool.journal, name!);
    const text = await readFile(path, 'utf8');
    await truncate(path, text.length - 60);
    const after = createJournal(temp.spool);
    after.released([cut.callId]);
    expect([...after.readBack()].flat().map((entry) => [entry.did, entry.callId])).toEqual([
      ['released', cut.callId],
      ['claimed', whole.callId],
    ]);
  });
});
