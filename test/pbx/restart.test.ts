import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { FarEndCall } from '../../src/lab/far-end-log.js';
import { freePort } from '../../src/lab/ports.js';
import type { Running } from '../../src/main.js';
import {
  attemptsOf,
  contactsOf,
  countersOf,
  groupBy,
  insertCampaignFixture,
  insertTenantFixture,
  insertTrunkFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import {
  describeOnAsterisk,
  filesOfOurs,
  type Line,
  startLine,
  testImage,
  toneMessage,
} from '../support/line.js';
import { type Program, startProgram } from '../support/program.js';

const MESSAGE_SECONDS = 3;
const LATE_SECONDS = 4;
const DISPOSITIONS: Record<string, [disposition: string, sip: number]> = {
  200: ['answered', 200],
  201: ['answered', 200],
  202: ['answered', 200],
  180: ['no_answer', 180],
  480: ['no_answer', 480],
  486: ['busy', 486],
  404: ['invalid_number', 404],
  503: ['congestion', 503],
  603: ['rejected', 603],
};

const codeOf = ({ number }: { number: string }) => number.slice(-3);

describeOnAsterisk('what is up when something stops', () => {
  let line: Line;
  let tenant: TenantFixture;
  let campaigns = 0;
  const running: (Running | Program)[] = [];

  beforeAll(async () => {
    line = await startLine({
      farEnd: { ringSeconds: LATE_SECONDS },
      extraExtensions: `[via-admin]\nexten => _+X.,1,Dial(PJSIP/\${EXTEN}@far)\n same => n,Hangup()\n`,
    });
    tenant = await insertTenantFixture(line.database.pool, { ports: 1000, ...toneMessage(MESSAGE_SECONDS) });
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
  });
  afterAll(() => line.stop());

  async function start(): Promise<Running> {
    const campanile = await line.start();
    running.push(campanile);
    return campanile;
  }

  /** A running campaign of so many contacts for each code, with a caller id of its own. */
  async function insertCampaign(
    counts: Record<string, number>,
    options: Parameters<typeof insertCampaignFixture>[3] & { trunk?: TenantFixture } = {},
  ): Promise<{ id: string; callerId: string }> {
    campaigns += 1;
    const callerId = `+121255503${10 + campaigns}`;
    const numbers = Object.entries(counts).flatMap(([code, n]) => numbersFor(code, n, 100 * campaigns));
    const { trunk = tenant, ...rest } = options;
    const id = await insertCampaignFixture(line.database.pool, trunk, numbers, {
      ringSeconds: 5,
      callerId,
      ...rest,
    });
    return { id, callerId };
  }

  const callsOf = async (callerId: string) =>
    (await line.farEnd.calls()).filter((call) => call.from === callerId);
  const outgoing = () => readdir(join(line.asterisk.spoolDir, 'outgoing'));
  const untilAllArchived = () => expect.poll(outgoing, { timeout: 60_000 }).toEqual([]);

  /** Each number was called as often as the database says, and what is left is nothing. */
  async function expectInOrder({ id, callerId }: { id: string; callerId: string }): Promise<void> {
    const { pool } = line.database;
    const perNumber = (of: { number: string }[]) =>
      Object.fromEntries([...groupBy(of, (a) => a.number)].map(([number, some]) => [number, some.length]));
    expect(perNumber(await callsOf(callerId))).toEqual(perNumber(await attemptsOf(pool, id)));
    const { kept, counted } = await countersOf(pool, id);
    expect(kept).toEqual(counted);
    await expect.poll(() => filesOfOurs(line.asterisk), { timeout: 10_000 }).toEqual({});
  }

  async function expectAsTheirCodesSay(id: string): Promise<void> {
    for (const a of await attemptsOf(line.database.pool, id)) {
      expect([a.number, a.disposition, a.sip_status]).toEqual([a.number, ...DISPOSITIONS[codeOf(a)]!]);
    }
  }

  /** Seconds that the far end was talked to. */
  const talked = ({ answeredAt, endedAt }: FarEndCall) => (endedAt! - answeredAt!) / 1000;

  it('tells each disposition of calls that nobody but Asterisk was there for', async () => {
    const routed = await insertTrunkFixture(line.database.pool, tenant, {
      pbxTrunk: 'via-admin',
      template: 'routed',
    });
    const direct = await insertCampaign({ 200: 4, 201: 3, 180: 2, 480: 3, 486: 6, 404: 3, 503: 3, 603: 3 });
    const other = await insertCampaign({ 200: 2, 180: 2, 486: 2, 404: 2 }, { trunk: routed });
    // Asterisk stands still until Campanile is gone, so that all of it happens without FastAGI.
    process.kill(line.asterisk.pid, 'SIGSTOP');
    try {
      const campanile = await start();
      await expect.poll(async () => (await outgoing()).length, { timeout: 10_000 }).toBe(27 + 8);
      await campanile.stop();
    } finally {
      process.kill(line.asterisk.pid, 'SIGCONT');
    }
    await untilAllArchived();
    const { outgoing_done: archived } = await filesOfOurs(line.asterisk);
    expect(archived).toHaveLength(27 + 8);

    await start();
    await untilCompleted(line.database.pool, [direct.id, other.id], 30);
    for (const campaign of [direct, other]) {
      await expectAsTheirCodesSay(campaign.id);
      await expectInOrder(campaign);
    }
    // Whoever answered heard the fallback prompt to its end: 33 bytes of GSM are 20 ms.
    const prompt = 'usr/share/asterisk/sounds/en_US_f_Allison/vm-goodbye.gsm';
    const seconds = ((await stat(join((await testImage()).root, prompt))).size / 33) * 0.02;
    for (const call of [...(await callsOf(direct.callerId)), ...(await callsOf(other.callerId))]) {
      if (codeOf(call) !== '200') continue;
      expect(talked(call)).toBeGreaterThan(seconds);
      expect(talked(call)).toBeLessThan(seconds + 1.5);
    }
    for (const a of await attemptsOf(line.database.pool, direct.id)) {
      if (codeOf(a) === '200')
        expect(a).toMatchObject({ hung_up_by: 'campanile', answered_at: null, silent: true });
      if (codeOf(a) === '201') expect(a.hung_up_by).toBe('callee');
      if (codeOf(a) === '180') expect(a.ring_seconds).toBeGreaterThanOrEqual(5);
    }
  });

  it('stops in the middle of a campaign, and carries on at the next start', async () => {
    const campaign = await insertCampaign(
      { 180: 2, 201: 20, 202: 4, 404: 10, 486: 20 },
      { ports: 12, retry: { busy: '1s' } },
    );
    const campanile = await start();
    const some = async () => groupBy(await callsOf(campaign.callerId), codeOf);
    await expect
      .poll(async () => (await some()).get('404')?.length ?? 0, { timeout: 20_000, interval: 10 })
      .toBeGreaterThan(0);
    const stoppingAt = Date.now();
    await campanile.stop();
    const stoppedAt = Date.now();
    const called = await callsOf(campaign.callerId);
    // What was being claimed at that moment may still be placed; the grace that follows is a second.
    expect(called.filter((call) => call.invitedAt > stoppingAt + 500)).toEqual([]);
    const { rows: open } = await line.database.pool.query<{ number: string }>(
      `SELECT number FROM attempts WHERE campaign_id = $1 AND state = 'open'`,
      [campaign.id],
    );
    // It rings for longer than the grace of a second.
    const stillOpen = new Set(open.map((a) => a.number));
    expect([...stillOpen].filter((number) => number.endsWith('202'))).toHaveLength(4);
    // What was over well before the end of the stop had been finished by then.
    const over = called.filter((call) => call.endedAt !== null && call.endedAt < stoppedAt - 700);
    expect(over.length).toBeGreaterThan(0);
    expect(over.filter((call) => stillOpen.has(call.number))).toEqual([]);

    await untilAllArchived();
    expect(await callsOf(campaign.callerId)).toHaveLength(called.length);
    await start();
    await untilCompleted(line.database.pool, [campaign.id], 60);
    await expectAsTheirCodesSay(campaign.id);
    await expectInOrder(campaign);
    const busy = (await contactsOf(line.database.pool, campaign.id)).filter((c) => codeOf(c) === '486');
    expect(busy.map((c) => [c.state, c.attempts])).toEqual(Array(20).fill(['busy', 2]));
  });

  it.each(['SIGTERM', 'kill -9'])('lets the message be heard to its end after %s', async (how) => {
    const campaign = await insertCampaign({ 200: 3 });
    const listen = { host: '127.0.0.1', port: await freePort('tcp') };
    const program = await startProgram({ ...line.config, listen });
    running.push(program);
    const answered = async () =>
      (await callsOf(campaign.callerId)).filter((call) => call.answeredAt !== null);
    await expect.poll(async () => (await answered()).length, { timeout: 20_000, interval: 10 }).toBe(3);
    const noted = `SELECT FROM attempts WHERE campaign_id = $1 AND answered_at IS NOT NULL`;
    await expect
      .poll(async () => (await line.database.pool.query(noted, [campaign.id])).rowCount, { interval: 10 })
      .toBe(3);
    // The grace of a second ends within the message of three.
    await (how === 'SIGTERM' ? program.stop() : program.kill());
    expect((await answered()).filter((call) => call.endedAt !== null)).toEqual([]);
    await untilAllArchived();
    await expect.poll(async () => (await answered()).every((call) => call.endedAt !== null)).toBe(true);
    for (const call of await answered()) {
      expect(talked(call)).toBeGreaterThan(MESSAGE_SECONDS - 0.1);
      // And no fallback prompt behind it.
      expect(talked(call)).toBeLessThan(MESSAGE_SECONDS + 0.5);
    }

    await start();
    await untilCompleted(line.database.pool, [campaign.id], 30);
    await expectAsTheirCodesSay(campaign.id);
    await expectInOrder(campaign);
  });

  it('takes calls that Asterisk died in for answered or lost, and calls nobody twice for it', async () => {
    const campaign = await insertCampaign({ 200: 4, 202: 4, 486: 8 }, { ports: 8, retry: { lost: '1s' } });
    await start();
    const up = async () => {
      const calls = await callsOf(campaign.callerId);
      return calls.length === 8 && calls.filter((call) => call.answeredAt !== null).length === 4;
    };
    await expect.poll(up, { timeout: 20_000, interval: 20 }).toBe(true);
    const answers = `SELECT FROM attempts WHERE campaign_id = $1 AND answered_at IS NOT NULL`;
    await expect.poll(async () => (await line.database.pool.query(answers, [campaign.id])).rowCount).toBe(4);
    await line.asterisk.kill();
    await line.asterisk.restart();
    await untilCompleted(line.database.pool, [campaign.id], 60);

    const attempts = groupBy(await attemptsOf(line.database.pool, campaign.id), (a) => a.number);
    const expected: Record<string, string[]> = {
      200: ['answered'],
      202: ['lost', 'answered'],
      486: ['busy'],
    };
    for (const [number, tries] of attempts) {
      expect([number, tries.map((a) => a.disposition)]).toEqual([number, expected[codeOf({ number })]]);
    }
    expect(attempts.size).toBe(16);
    await expectInOrder(campaign);
  });

  it('carries on after kill -9, twice in the middle of a campaign', async () => {
    const campaign = await insertCampaign(
      { 200: 6, 201: 30, 404: 10, 486: 30, 503: 10 },
      { ports: 10, retry: { busy: '1s', congestion: '2s' } },
    );
    const config = { ...line.config, listen: { host: '127.0.0.1', port: await freePort('tcp') } };
    let program = await startProgram(config);
    running.push(program);
    for (const calls of [15, 50]) {
      await expect
        .poll(async () => (await callsOf(campaign.callerId)).length, { timeout: 30_000, interval: 5 })
        .toBeGreaterThan(calls);
      await program.kill();
      program = await startProgram(config);
      running.push(program);
    }
    await untilCompleted(line.database.pool, [campaign.id], 90);
    await expectAsTheirCodesSay(campaign.id);
    await expectInOrder(campaign);
    const contacts = groupBy(await contactsOf(line.database.pool, campaign.id), codeOf);
    for (const [code, of] of contacts) {
      const attempts = code === '486' || code === '503' ? 2 : 1;
      expect([code, new Set(of.map((c) => c.attempts))]).toEqual([code, new Set([attempts])]);
    }
    expect(await program.stop()).toBe(0);
  });
});
