import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCallNotes } from '../../src/agi/notes.js';
import { createAdmission } from '../../src/agi/scripts/admission.js';
import { answeredScript } from '../../src/agi/scripts/answered.js';
import { hangupScript } from '../../src/agi/scripts/hangup.js';
import { type AgiServer, createAgiServer } from '../../src/agi/server.js';
import { createCallTokens } from '../../src/agi/token.js';
import { registerNode } from '../../src/db/nodes.js';
import { createAsker } from '../../src/events/webhooks/ask.js';
import type { Sounds } from '../../src/messages/sounds.js';
import { answeredCall } from '../../src/node/answered-call.js';
import { createContents } from '../../src/node/contents.js';
import { createOpenCalls, type OpenCalls } from '../../src/node/open-calls.js';
import { createWebhookSeal } from '../../src/seal.js';
import { insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { claimInTurn } from '../support/turns.js';
import { FakeAsterisk, memoryLog } from './fake-asterisk.js';
import { nothingBehind } from './nothing-behind.js';

const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };
const tokens = createCallTokens(randomBytes(32));
let database: TestDatabase;
let server: AgiServer;
let port: number;
let logged: { level: string; msg: string }[];
let openCalls: OpenCalls;
let callId: string;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks CASCADE');
  await registerNode(database.pool, node);
  const tenant = await insertTenantFixture(database.pool, { sha256: 'ab'.repeat(32) });
  await insertCampaignFixture(database.pool, tenant, numbersFor('200', 1));
  const { calls } = await claimInTurn(database.pool, node, async () => {});
  callId = calls[0]!.callId;
  openCalls = createOpenCalls(database.pool, 'a', createContents(database.pool));
  const { log, lines } = memoryLog();
  logged = lines;
  const admission = createAdmission(tokens, log);
  const notes = createCallNotes(database.pool, 'a');
  const sounds = { pathOf: (sha256: string) => `/sounds/${sha256}` } as Sounds;
  const callOf = async (id: string) => {
    const call = await openCalls.find(id);
    const speech = { ready: () => null };
    const recordings = { of: () => nothingBehind.recordings, sweep: async () => 0 };
    const transfers = { of: () => nothingBehind.transfers, ended: async () => null };
    const asker = createAsker({ allowPrivate: false });
    const secrets = createWebhookSeal(Buffer.alloc(32));
    const options = { pool: database.pool, sounds, speech, recordings, transfers, asker, secrets, log };
    return call && answeredCall(call, options);
  };
  server = createAgiServer({
    port: 0,
    log,
    scripts: {
      answered: answeredScript({ admission, notes, callOf, log }),
      hangup: hangupScript({ admission, notes, log }),
    },
  });
  port = (await server.start()).port;
});
afterEach(() => server.stop(0));

const attempt = async () => (await database.pool.query('SELECT * FROM attempts')).rows[0];
const request = (script: string, ...more: string[]) => ({
  script,
  args: [callId, tokens.tokenFor(callId), ...more],
});

describe('/answered', () => {
  it("plays the campaign's message with every key able to end it, and writes down what was heard and pressed", async () => {
    const asterisk = await FakeAsterisk.call(port, request('answered'));
    expect(await asterisk.answer('200 result=53 endpos=4')).toBe(
      `CONTROL STREAM FILE "/sounds/${'ab'.repeat(32)}" "0123456789*#" "1000" "x" "x" "x"`,
    );
    await asterisk.closed;
    expect(await attempt()).toMatchObject({ answered_at: expect.any(Date), heard_seconds: 0.004, key: '5' });
  });

  it('writes down the length of a message that was heard to its end', async () => {
    await database.pool.query('UPDATE messages SET seconds = 0.005');
    const asterisk = await FakeAsterisk.call(port, request('answered'));
    await asterisk.answer('200 result=0 endpos=-1');
    await asterisk.closed;
    expect(await attempt()).toMatchObject({ heard_seconds: 0.005, key: null });
  });

  it('writes down how much was heard by somebody who hung up in the message', async () => {
    const asterisk = await FakeAsterisk.call(port, request('answered'));
    await asterisk.next();
    await delay(10);
    asterisk.send('HANGUP\n200 result=-1 endpos=1\n');
    await asterisk.closed;
    expect(await attempt()).toMatchObject({
      answered_at: expect.any(Date),
      heard_seconds: 0.001,
      key: null,
    });
  });

  it('takes the time it took where Asterisk does not know how much was heard before the hangup', async () => {
    const asterisk = await FakeAsterisk.call(port, request('answered'));
    await asterisk.next();
    await delay(10);
    asterisk.send('HANGUP\n200 result=-1 endpos=-1\n');
    await asterisk.closed;
    const { heard_seconds } = await attempt();
    expect(heard_seconds).toBeGreaterThan(0.009);
    expect(heard_seconds).toBeLessThanOrEqual(0.5);
  });

  it('does not believe that somebody heard more than there was time for', async () => {
    const asterisk = await FakeAsterisk.call(port, request('answered'));
    await asterisk.next();
    asterisk.send('HANGUP\n200 result=-1 endpos=8000000\n');
    await asterisk.closed;
    expect((await attempt()).heard_seconds).toBeLessThan(1000);
  });

  it('has written the answer down when the process ends in the message', async () => {
    const asterisk = await FakeAsterisk.call(port, request('answered'));
    await asterisk.next();
    await expect.poll(async () => (await attempt()).answered_at).toBeInstanceOf(Date);
    asterisk.reset();
  });
});

describe('/hangup', () => {
  it('writes the report down before it tells the dialplan so', async () => {
    const asterisk = await FakeAsterisk.call(
      port,
      request('hangup', '17|486||PJSIP/far-1|PJSIP/far-1|1.5|0'),
    );
    expect(await asterisk.next()).toBe('SET VARIABLE "CAMPANILE_HEARD" "1"');
    expect(await attempt()).toMatchObject({
      hangup_at: expect.any(Date),
      hangup_cause: 17,
      sip_status: 486,
      hung_up_by: 'callee',
      ring_seconds: 1.5,
      talk_seconds: 0,
    });
    asterisk.send('200 result=1\n');
    await asterisk.closed;
  });
});

it('a note that Postgres cannot store takes no other along', async () => {
  const notes = createCallNotes(database.pool, 'a');
  const other = callId.replace(/\.........-/, '.00000000-');
  // The first goes alone; the others are waiting when it is written, and go together.
  const written = await Promise.allSettled([
    notes.write({ callId: other, answeredAt: new Date() }),
    notes.write({ callId: other, key: 'a\0b' }),
    notes.write({ callId, key: '5', heardSeconds: 2 }),
  ]);
  expect(written.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await attempt()).toMatchObject({ key: '5', heard_seconds: 2 });
});

describe('a request that cannot be believed', () => {
  it.each([
    ['no arguments', () => []],
    ['a forged token', () => [callId, 'A'.repeat(32)]],
    ["another call's token", () => [callId, tokens.tokenFor('another')]],
    ['no token', () => [callId]],
  ])('is refused, and logged once a minute: %s', async (_, args) => {
    for (let i = 0; i < 3; i++) {
      for (const script of ['answered', 'hangup']) {
        const asterisk = await FakeAsterisk.call(port, { script, args: args() });
        await asterisk.closed;
        expect(asterisk.lines).toEqual([]);
      }
    }
    expect(await attempt()).toMatchObject({ answered_at: null, hangup_at: null });
    expect(logged.filter((l) => l.level === 'warn')).toHaveLength(1);
  });

  it('is refused when the attempt has ended: a replay of an old token', async () => {
    await database.pool.query("UPDATE attempts SET state = 'ended', disposition = 'busy', ended_at = now()");
    const asterisk = await FakeAsterisk.call(port, request('answered'));
    await asterisk.closed;
    expect(asterisk.lines).toEqual([]);
    expect(await attempt()).toMatchObject({ answered_at: null });
    expect(logged.filter((l) => l.level === 'warn')).toHaveLength(1);
  });
});
