import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCallTokens } from '../../src/agi/token.js';
import { registerNode } from '../../src/db/nodes.js';
import { findAttemptStates, listOpenAttempts, releaseAttempts } from '../../src/db/open-attempts.js';
import { createSounds } from '../../src/messages/sounds.js';
import { createRenderer } from '../../src/messages/speech/renderer.js';
import { createSpeech, type Speech } from '../../src/messages/speech/speech.js';
import { createContents } from '../../src/node/contents.js';
import { createOpenCalls, type OpenCalls } from '../../src/node/open-calls.js';
import { speakAhead } from '../../src/node/speak-ahead.js';
import { createSpeaking, type Speaking } from '../../src/node/speaking.js';
import { takeTurn } from '../../src/node/turn.js';
import { NOTHING_CLOSED } from '../../src/scheduler/closed.js';
import { createJournal } from '../../src/spool/journal.js';
import { callIdOfFile } from '../../src/spool/name.js';
import { createReconciler } from '../../src/spool/reconciler.js';
import { createReports } from '../../src/spool/reports.js';
import { loadTemplates } from '../../src/spool/template-file.js';
import { SPEAKS, scriptEngine } from '../messages/speech/engines.js';
import { list, makeSpool, silent, type TempSpool } from '../spool/temp-spool.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  insertTextFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { hashNumber } from '../support/turns.js';

const node = { name: 'here', ports: 10, callsPerSecond: null };
const tokens = createCallTokens(Buffer.from('a secret of the tests that has more than 32 bytes'));
const GATED = `echo "$1" >> log; while [ ! -e go ]; do sleep 0.01; done; ${SPEAKS}`;

let database: TestDatabase;
let temp: TempSpool;
let tenant: TenantFixture;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  temp = await makeSpool();
  await database.pool.query('TRUNCATE tenants, nodes CASCADE');
  await registerNode(database.pool, node);
  tenant = await insertTenantFixture(database.pool);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.speaking.stop()));
  await temp.remove();
});

interface Node {
  home: string;
  speech: Speech;
  speaking: Speaking;
  openCalls: OpenCalls;
  inFlight: Set<string>;
  turn(): Promise<unknown>;
}
const started: Node[] = [];

/** A node whose engine is `script`. */
async function startNode(script: string, waitSeconds = 15): Promise<Node> {
  const { home, engine } = await scriptEngine(script);
  const { pool } = database;
  const contents = createContents(pool);
  const speech = await createSpeech({
    renderer: createRenderer(engine),
    directory: join(home, 'speech'),
    owner: null,
    atOnce: 2,
    keepSeconds: 3600,
  });
  const openCalls = createOpenCalls(pool, node.name, contents);
  const inFlight = new Set<string>();
  const journal = createJournal(temp.spool);
  const common = { pool, spool: temp.spool, journal, speech, openCalls, inFlight, log: silent };
  const speaking = createSpeaking({ ...common, waitSeconds, onReleased: () => {} });
  const options = {
    ...common,
    lock: { require: () => {} },
    node,
    speaking,
    reports: createReports(temp.spool),
    templates: await loadTemplates(null),
    tokens,
    hashNumber,
    sounds: createSounds({ db: pool, directory: join(home, 'sounds'), owner: null }),
    contents,
    agiUrl: 'agi://127.0.0.1:4573',
    claimMemory: { closed: NOTHING_CLOSED },
  };
  const turn = () => takeTurn([], () => {}, options);
  const made = { home, speech, speaking, openCalls, inFlight, turn };
  started.push(made);
  return made;
}

/** A campaign whose contacts are told their names; a contact without one has no fields. */
async function insertSpoken(names: (string | null)[], text = 'Dear {name}'): Promise<string> {
  const spoken = await insertTextFixture(database.pool, tenant, text);
  const id = await insertCampaignFixture(database.pool, spoken, numbersFor('200', names.length));
  const { rows } = await database.pool.query(
    'SELECT id FROM contacts WHERE campaign_id = $1 ORDER BY number',
    [id],
  );
  for (const [i, name] of names.entries()) {
    const fields = JSON.stringify(name === null ? {} : { name });
    await database.pool.query('UPDATE contacts SET fields = $2 WHERE id = $1', [rows[i].id, fields]);
  }
  return id;
}

const contacts = async () =>
  (
    await database.pool.query(
      `SELECT state, attempts, held_for, problem, round(extract(epoch FROM due_at - now()))::integer AS due
        FROM contacts ORDER BY number`,
    )
  ).rows;
const attempts = async () => (await database.pool.query('SELECT state FROM attempts')).rows.length;
/** As long as the test may take. */
const poll = <T>(read: () => T) => expect.poll(read, { timeout: 20_000 });
const files = async () => ({
  staging: (await list(temp.spool.staging)).filter((name) => callIdOfFile(name)).length,
  outgoing: (await list(temp.spool.outgoing)).length,
});

describe('calls that speak', () => {
  it('wait for their texts with their ports held, and are placed as soon as they are spoken', async () => {
    await insertSpoken(['Ada', 'Bob']);
    const { home, turn, openCalls, inFlight } = await startNode(GATED);
    await turn();
    expect(await files()).toEqual({ staging: 2, outgoing: 0 });
    expect(inFlight.size).toBe(2);
    expect((await contacts()).map(({ state }) => state)).toEqual(['calling', 'calling']);
    await writeFile(join(home, 'go'), '');
    await poll(files).toEqual({ staging: 0, outgoing: 2 });
    await poll(() => inFlight.size).toBe(0);
    expect([...openCalls.all()].map(({ texts }) => texts[0]!.text).sort()).toEqual(['Dear Ada', 'Dear Bob']);
    expect(await attempts()).toBe(2);
  });

  it('do not wait for what is spoken already, nor others for them', async () => {
    await insertSpoken(['Ada', 'Bob', 'Cid']);
    await insertCampaignFixture(database.pool, tenant, numbersFor('201', 2));
    const { home, speech, turn } = await startNode(GATED);
    await writeFile(join(home, 'go'), '');
    await speech.prepare(tenant.tenantId, [{ text: 'Dear Bob', language: 'en', voice: null }]);
    await rm(join(home, 'go'));
    await turn();
    expect(await files()).toEqual({ staging: 2, outgoing: 3 });
    await writeFile(join(home, 'go'), '');
    await poll(files).toEqual({ staging: 0, outgoing: 5 });
  });

  it('are held with the reason when the engine fails, longer each time, and called once it works', async () => {
    const id = await insertSpoken(['Ada']);
    const { home, turn } = await startNode(`[ -e works ] || { echo "no memory" >&2; exit 1; }; ${SPEAKS}`);
    for (const delay of [30, 120, 600, 1800, 1800]) {
      await turn();
      await poll(async () => (await contacts())[0].held_for).toBe('speech');
      const [contact] = await contacts();
      expect(contact).toMatchObject({ state: 'pending', attempts: 0 });
      expect(contact.problem).toMatch(/speak ended with status 1: no memory$/);
      expect(Math.abs(contact.due - delay)).toBeLessThan(10);
      expect(await attempts()).toBe(0);
      await poll(files).toEqual({ staging: 0, outgoing: 0 });
      await database.pool.query('UPDATE contacts SET due_at = now() WHERE campaign_id = $1', [id]);
      await database.pool.query('UPDATE contacts SET held_for = NULL WHERE campaign_id = $1', [id]);
    }
    await writeFile(join(home, 'works'), '');
    await turn();
    await poll(files).toEqual({ staging: 0, outgoing: 1 });
    expect(await contacts()).toMatchObject([
      { state: 'calling', attempts: 1, held_for: null, problem: null },
    ]);
  });

  it('are held when the engine takes too long, and find the text when they are due again', async () => {
    const id = await insertSpoken(['Ada']);
    const { home, turn, speech } = await startNode(GATED, 0.2);
    await turn();
    await poll(async () => (await contacts())[0].problem).toMatch(/not spoken within 0.2 s/);
    await writeFile(join(home, 'go'), '');
    await poll(() =>
      speech.ready(tenant.tenantId, [{ text: 'Dear Ada', language: 'en', voice: null }]),
    ).not.toBe(null);
    await database.pool.query('UPDATE contacts SET due_at = now() WHERE campaign_id = $1', [id]);
    await turn();
    expect(await files()).toEqual({ staging: 0, outgoing: 1 });
  });

  it('are not made to whom nothing can be said, who is invalid with the reason', async () => {
    const id = await insertSpoken(['Ada', null, 'soon'], 'Dear {name|you}, on {name:date}');
    await database.pool.query(
      `UPDATE contacts SET fields = '{"name": "2026-11-25"}' WHERE fields->>'name' = 'Ada'`,
    );
    const { turn } = await startNode(SPEAKS);
    await turn();
    expect(await contacts()).toMatchObject([
      { state: 'calling', attempts: 1, problem: null },
      { state: 'invalid', attempts: 0, problem: expect.stringContaining('the field "name" is missing') },
      {
        state: 'invalid',
        attempts: 0,
        problem: 'the field "name" cannot be read: for date it must be a day such as 2026-11-25',
      },
    ]);
    await poll(files).toEqual({ staging: 0, outgoing: 1 });
    const { rows } = await database.pool.query(
      'SELECT invalid, calling, attempts FROM campaigns WHERE id = $1',
      [id],
    );
    expect(rows).toEqual([{ invalid: 2, calling: 1, attempts: 1 }]);
  });

  it('complete a campaign to whose last contacts nothing can be said', async () => {
    const id = await insertSpoken([null, null]);
    const { turn } = await startNode(SPEAKS);
    await turn();
    const { rows } = await database.pool.query('SELECT status, attempts FROM campaigns WHERE id = $1', [id]);
    expect(rows).toEqual([{ status: 'completed', attempts: 0 }]);
    expect(await attempts()).toBe(0);
    expect(await files()).toEqual({ staging: 0, outgoing: 0 });
  });

  it.each([
    ['paused', `UPDATE campaigns SET status = 'paused'`, 'pending'],
    ['cancelled', `UPDATE campaigns SET status = 'cancelled'`, 'cancelled'],
  ])('are not placed in a campaign that was %s meanwhile', async (_, statement, state) => {
    await insertSpoken(['Ada']);
    const { home, turn } = await startNode(GATED);
    await turn();
    await database.pool.query(statement);
    await writeFile(join(home, 'go'), '');
    await poll(async () => (await contacts())[0]).toMatchObject({ state, attempts: 0, held_for: null });
    expect(await attempts()).toBe(0);
    await poll(files).toEqual({ staging: 0, outgoing: 0 });
  });

  it('are not placed to a number that was put on a list meanwhile', async () => {
    await insertSpoken(['Ada']);
    const { home, turn } = await startNode(GATED);
    await turn();
    const [number] = numbersFor('200', 1);
    await database.pool.query('INSERT INTO installation_suppressions (number) VALUES ($1)', [number]);
    await writeFile(join(home, 'go'), '');
    await poll(attempts).toBe(0);
    await poll(files).toEqual({ staging: 0, outgoing: 0 });
    await turn();
    expect(await contacts()).toMatchObject([{ state: 'suppressed', attempts: 0 }]);
    await database.pool.query('DELETE FROM installation_suppressions');
  });

  it('are given up when Campanile stops, and nobody is held for it', async () => {
    await insertSpoken(['Ada']);
    const { turn, speaking } = await startNode(GATED);
    await turn();
    await speaking.stop();
    expect(await contacts()).toMatchObject([
      { state: 'pending', attempts: 0, held_for: null, problem: null },
    ]);
    expect(await attempts()).toBe(0);
    expect(await files()).toEqual({ staging: 0, outgoing: 0 });
  });

  it('are released by the reconciler of the next start, where Campanile died before they were placed', async () => {
    await insertSpoken(['Ada']);
    await (await startNode(GATED)).turn();
    expect(await files()).toEqual({ staging: 1, outgoing: 0 });
    const { pool } = database;
    const reconciler = createReconciler({
      spool: temp.spool,
      log: silent,
      reports: { tidy: () => 0 },
      // Of the process that died nothing is left.
      inFlight: () => false,
      attempts: {
        findStates: (callIds) => findAttemptStates(pool, callIds),
        listOpen: () => listOpenAttempts(pool, node.name),
      },
      release: (callIds) => releaseAttempts(pool, callIds),
      finish: async () => {},
      dispose: async () => {},
    });
    expect(await reconciler.run()).toEqual({ release: 1 });
    expect(await contacts()).toMatchObject([
      { state: 'pending', attempts: 0, held_for: null, problem: null },
    ]);
    expect(await attempts()).toBe(0);
    expect(await files()).toEqual({ staging: 0, outgoing: 0 });
  });

  it('stay in flight while they wait, so that no reconciler takes them', async () => {
    await insertSpoken(['Ada']);
    const { home, turn, inFlight } = await startNode(GATED);
    await turn();
    await turn();
    expect(inFlight.size).toBe(1);
    await writeFile(join(home, 'go'), '');
    await poll(files).toEqual({ staging: 0, outgoing: 1 });
  });
});

describe('speaking ahead', () => {
  const ahead = (of: Node, ports = 10) =>
    speakAhead({
      db: database.pool,
      contents: createContents(database.pool),
      speech: of.speech,
      node: { name: node.name, ports },
    });

  it('speaks the texts of those who are called next, so that their calls are placed at once', async () => {
    await insertSpoken(['Ada', 'Bob', null]);
    const here = await startNode(SPEAKS);
    expect(await ahead(here)).toBe(2);
    await poll(() => here.speech.waiting()).toBe(0);
    await poll(() => ahead(here)).toBe(0);
    await here.turn();
    expect(await files()).toEqual({ staging: 0, outgoing: 2 });
  });

  it('speaks no more than twice as many as there are ports, whose time has nearly come', async () => {
    const id = await insertSpoken(['Ada', 'Bob', 'Cid', 'Dan', 'Eve']);
    const here = await startNode(GATED);
    await database.pool.query(
      `UPDATE contacts SET due_at = now() + interval '1 hour' WHERE campaign_id = $1 AND fields->>'name' <> 'Eve'`,
      [id],
    );
    expect(await ahead(here, 2)).toBe(1);
    await database.pool.query('UPDATE contacts SET due_at = now() WHERE campaign_id = $1', [id]);
    for (let i = 0; i < 5; i++) await ahead(here, 1);
    await poll(() => here.speech.waiting()).toBeGreaterThan(0);
    expect(here.speech.waiting()).toBeLessThanOrEqual(2);
  });

  it('speaks nothing for campaigns that do not run, are tests, or do not speak', async () => {
    await insertCampaignFixture(database.pool, tenant, numbersFor('201', 2));
    const id = await insertSpoken(['Ada']);
    const here = await startNode(SPEAKS);
    await database.pool.query(`UPDATE campaigns SET status = 'paused' WHERE id = $1`, [id]);
    expect(await ahead(here)).toBe(0);
    await database.pool.query(`UPDATE campaigns SET status = 'running' WHERE id = $1`, [id]);
    await database.pool.query(`UPDATE tenants SET suspended = true`);
    expect(await ahead(here)).toBe(0);
    await database.pool.query(`UPDATE tenants SET suspended = false`);
    expect(await ahead(here)).toBe(1);
  });
});
