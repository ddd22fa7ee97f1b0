import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Script, Step } from '../../src/lab/phone/script.js';
import { freePort } from '../../src/lab/ports.js';
import type { Running } from '../../src/main.js';
import {
  attemptsOf,
  insertTenantFixture,
  insertTrunkFixture,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { insertDestination, insertFlowCampaign } from '../support/flows.js';
import { describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';
import { type Program, startProgram } from '../support/program.js';

const message = toneMessage(1);
const STAFF_HZ = 700;
const CALLEE_HZ = 1100;
const talk = (hz: number, ms: number): Step => ({ say: { tone: hz, ms } });

describeOnAsterisk('a call that is transferred', () => {
  let line: Line;
  let tenant: TenantFixture;
  let numbers = 2000;
  const running: (Running | Program)[] = [];

  beforeAll(async () => {
    line = await startLine({
      phones: {},
      extraQueues: '[support]\nmember => Local/agent@agents/n\n',
      extraExtensions: `
[campanile-transfer]
exten => frontdesk,1,Set(DB(shown/\${CAMPANILE_CALL})=\${CALLERID(num)})
 same => n,Dial(PJSIP/+12125550199@phones,20)
exten => nobody,1,Hangup(17)
[agents]
exten => agent,1,Dial(PJSIP/+12125550188@phones)
[via-admin]
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@phones)
`,
    });
    tenant = await insertTenantFixture(line.database.pool, { ports: 50, pbxTrunk: 'phones', ...message });
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
  });
  afterAll(() => line.stop());

  const newNumber = () => `+1212${numbers++}555`;
  const query = async (text: string, values: unknown[]) =>
    (await line.database.pool.query(text, values)).rows;

  async function start(): Promise<void> {
    running.push(await line.start());
  }

  /** A flow of one transfer, and a message to whoever is still there. */
  const flowTo = (destination: string, more: object = {}) => ({
    start: 'pass_on',
    steps: {
      pass_on: {
        type: 'transfer',
        destination,
        ring_seconds: 5,
        save_as: 'staff',
        next: 'after',
        on_full: 'full',
        on_failed: 'else',
        ...more,
      },
      after: { type: 'play', message: tenant.messageId },
      full: { type: 'hangup' },
      else: { type: 'hangup' },
    },
  });

  interface Called {
    callee: string;
    campaign: string;
  }

  /** Calls somebody who does `steps` when he has answered. */
  async function call(
    flow: unknown,
    steps: Step[],
    staff: Script[],
    as: { tenant?: TenantFixture; callerId?: string } = {},
  ): Promise<Called> {
    const callee = newNumber();
    await line.phones!.use([{ number: callee, steps }, ...staff]);
    const { pool } = line.database;
    const { tenant: own = tenant, ...options } = as;
    const campaign = await insertFlowCampaign(pool, own, flow, [callee], options);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    return { callee, campaign };
  }

  /** What the tenant sees of it when it is over. */
  async function outcomeOf({ campaign }: Called) {
    await untilCompleted(line.database.pool, [campaign], 60);
    const [attempt] = await attemptsOf(line.database.pool, campaign);
    const [noted] = await query('SELECT steps, answers FROM attempts WHERE id = $1', [attempt!.id]);
    const transfers = await query('SELECT * FROM transfers WHERE attempt_id = $1 ORDER BY id', [attempt!.id]);
    return { attempt: attempt!, ...noted, transfers };
  }

  /** What hangup handlers left in files. */
  async function reported(): Promise<string> {
    const directory = join(line.config.spoolDir, 'campanile/reports');
    const files = await readdir(directory);
    return (await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')))).join('');
  }

  const untilTalking = (number: string) =>
    expect
      .poll(async () => (await line.phones!.calls(number)).some((c) => c.answeredAt !== null), {
        timeout: 20_000,
      })
      .toBe(true);

  it('talks to whoever takes it, each hears the other, and the flow goes on when he has hung up', async () => {
    await start();
    const staff = newNumber();
    const destination = await insertDestination(line.database.pool, tenant, { target: staff });
    const called = await call(
      flowTo(destination),
      [{ wait: 500 }, talk(CALLEE_HZ, 3000)],
      [{ number: staff, ringMs: 300, steps: [talk(STAFF_HZ, 2500), { hangUp: true }] }],
      { callerId: '+12125550100' },
    );
    const there = await line.phones!.untilEnded(staff);
    expect(there).toMatchObject({ from: '+12125550100', finalStatus: 200 });
    expect(hertzOf(there.pcm())).toContain(CALLEE_HZ);
    const here = await line.phones!.untilEnded(called.callee);
    expect(hertzOf(here.pcm())).toContain(STAFF_HZ);
    const { attempt, steps, answers, transfers } = await outcomeOf(called);
    expect(steps).toMatchObject([
      { step: 'pass_on', type: 'transfer', outcome: 'connected', talked_seconds: 2 },
      { step: 'after', heard_seconds: 1 },
    ]);
    expect(answers).toEqual({ staff: 'connected' });
    expect(transfers).toMatchObject([{ outcome: 'connected', talked_seconds: 2, pbx_trunk: 'phones' }]);
    expect(attempt).toMatchObject({
      disposition: 'answered',
      hung_up_by: 'campanile',
      hangup_cause: 16,
      sip_status: 200,
      dial_status: null,
    });
    // The talk, and the message behind it.
    expect(attempt.talk_seconds).toBeGreaterThan(3.4);
    expect(attempt.talk_seconds).toBeLessThan(5);
    expect(attempt.ring_seconds).toBeLessThan(1);
  });

  it.each([
    ['busy', { status: 486 }, 'busy'],
    ['never answers', { answer: false }, 'no_answer'],
    ['is no number', { status: 404 }, 'failed'],
  ] as const)('is told that the destination %s', async (_what, does, outcome) => {
    await start();
    const staff = newNumber();
    const destination = await insertDestination(line.database.pool, tenant, { target: staff });
    const called = await call(flowTo(destination), [], [{ number: staff, ...does }]);
    const { attempt, steps, transfers } = await outcomeOf(called);
    expect(steps).toMatchObject([{ step: 'pass_on', outcome }, { step: 'else' }]);
    expect(transfers).toMatchObject([{ outcome, talked_seconds: null }]);
    expect(attempt).toMatchObject({
      disposition: 'answered',
      hangup_cause: 16,
      dial_status: null,
      hung_up_by: 'campanile',
    });
  });

  it('is abandoned when the callee hangs up before anybody takes it; he heard it ring until then', async () => {
    await start();
    const staff = newNumber();
    const destination = await insertDestination(line.database.pool, tenant, { target: staff });
    const called = await call(
      flowTo(destination, { ring_seconds: 30 }),
      [{ wait: 1500 }, { hangUp: true }],
      [{ number: staff, answer: false }],
    );
    const { attempt, steps, transfers } = await outcomeOf(called);
    expect(steps).toMatchObject([{ step: 'pass_on', outcome: 'abandoned' }]);
    expect(transfers).toMatchObject([{ outcome: 'abandoned' }]);
    expect(attempt).toMatchObject({ disposition: 'answered', hung_up_by: 'callee', dial_status: null });
    const here = await line.phones!.untilEnded(called.callee);
    // What Asterisk's indications.conf says of the US: 440 + 480 Hz.
    expect(hertzOf(here.pcm()).some((hz) => hz >= 430 && hz <= 490)).toBe(true);
    expect(await line.phones!.untilEnded(staff)).toMatchObject({ finalStatus: 487 });
  });

  it('tells that they talked when the callee hangs up', async () => {
    await start();
    const staff = newNumber();
    const destination = await insertDestination(line.database.pool, tenant, { target: staff });
    const called = await call(
      flowTo(destination),
      [{ wait: 2500 }, { hangUp: true }],
      [{ number: staff, steps: [] }],
    );
    const { attempt, steps, transfers } = await outcomeOf(called);
    expect(steps).toMatchObject([{ step: 'pass_on', outcome: 'connected' }]);
    expect(transfers).toMatchObject([{ outcome: 'connected', talked_seconds: 2 }]);
    expect(attempt).toMatchObject({ disposition: 'answered', hung_up_by: 'callee', dial_status: null });
  });

  it('finds a destination full while all of its ports are in use, and goes on there', async () => {
    await start();
    const staff = newNumber();
    const destination = await insertDestination(line.database.pool, tenant, { target: staff, ports: 1 });
    const script = { number: staff, steps: [{ wait: 3000 }, { hangUp: true }] satisfies Step[] };
    const first = await call(flowTo(destination), [], [script]);
    await untilTalking(staff);
    const second = await call(flowTo(destination), [], [script]);
    const { steps, transfers } = await outcomeOf(second);
    expect(steps).toMatchObject([{ step: 'pass_on', outcome: 'full' }, { step: 'full' }]);
    expect(transfers).toMatchObject([{ outcome: 'full' }]);
    expect((await outcomeOf(first)).transfers).toMatchObject([{ outcome: 'connected' }]);
    const third = await call(flowTo(destination), [], [script]);
    expect((await outcomeOf(third)).transfers).toMatchObject([{ outcome: 'connected' }]);
  });

  it("goes to an extension of the admin's, which is shown the callee's number", async () => {
    await start();
    const destination = await insertDestination(line.database.pool, tenant, {
      kind: 'extension',
      target: 'frontdesk',
    });
    const staff = { number: '+12125550199', steps: [{ wait: 1200 }, { hangUp: true }] satisfies Step[] };
    const called = await call(flowTo(destination), [], [staff]);
    const { attempt, transfers } = await outcomeOf(called);
    expect(transfers).toMatchObject([{ outcome: 'connected', trunk_id: null }]);
    const callId = `${attempt.tenant_id}.${attempt.id}`;
    expect(await line.asterisk.cli(`database get shown ${callId}`)).toBe(`Value: ${called.callee}\n`);
    const absent = await insertDestination(line.database.pool, tenant, {
      kind: 'extension',
      target: 'nowhere',
    });
    expect((await outcomeOf(await call(flowTo(absent), [], []))).transfers).toMatchObject([
      { outcome: 'failed' },
    ]);
  });

  it('waits in a queue until an agent has a hand free, or hangs up before or after that', async () => {
    await start();
    const destination = await insertDestination(line.database.pool, tenant, {
      kind: 'queue',
      target: 'support',
    });
    const agent = (does: Partial<Script>) => [{ number: '+12125550188', ...does }];
    const leaves: Step[] = [{ wait: 2500 }, { hangUp: true }];
    const expected: [string, Step[], Partial<Script>][] = [
      ['connected', [], { steps: [{ wait: 1500 }, { hangUp: true }] }],
      ['connected', leaves, { steps: [] }],
      ['abandoned', leaves, { answer: false }],
      ['no_answer', [], { answer: false }],
    ];
    for (const [outcome, steps, does] of expected) {
      const called = await call(flowTo(destination, { ring_seconds: 7 }), steps, agent(does));
      const { attempt, transfers, steps: noted } = await outcomeOf(called);
      expect([transfers[0].outcome, noted[0].outcome]).toEqual([outcome, outcome]);
      expect(attempt).toMatchObject({ disposition: 'answered', dial_status: null });
      expect(noted[1]?.step).toBe(steps === leaves ? undefined : outcome === 'connected' ? 'after' : 'else');
      await line.phones!.untilEnded('+12125550188');
    }
    const absent = await insertDestination(line.database.pool, tenant, { kind: 'queue', target: 'nowhere' });
    expect((await outcomeOf(await call(flowTo(absent), [], []))).transfers).toMatchObject([
      { outcome: 'failed' },
    ]);
  });

  it("goes through the admin's dialplan over such a trunk, and what hangs up there is no call's end", async () => {
    await start();
    const routed = await insertTrunkFixture(line.database.pool, tenant, {
      pbxTrunk: 'via-admin',
      template: 'routed',
    });
    const staff = newNumber();
    const destination = await insertDestination(line.database.pool, tenant, { target: staff });
    const script = { number: staff, steps: [{ wait: 1500 }, { hangUp: true }] satisfies Step[] };
    for (const own of [routed, tenant]) {
      const trunkId = own === tenant ? routed.trunkId : null;
      await query('UPDATE transfer_destinations SET trunk_id = $2 WHERE id = $1', [destination, trunkId]);
      const { attempt, steps, transfers } = await outcomeOf(
        await call(flowTo(destination), [], [script], { tenant: own }),
      );
      expect(steps).toMatchObject([{ outcome: 'connected' }, { step: 'after', heard_seconds: 1 }]);
      expect(transfers).toMatchObject([{ outcome: 'connected', pbx_trunk: 'via-admin' }]);
      // With the message behind the talk.
      expect(attempt.disposition).toBe('answered');
      expect(attempt.talk_seconds).toBeGreaterThan(2.4);
      expect(attempt.hung_up_by).toBe('campanile');
      // What is answered is reported over FastAGI, and on a routed trunk by the half that dials: the transfer's has nothing to say.
      const lines = (await reported()).split('\n').filter((text) => text.includes(`${attempt.id}|hangup|`));
      expect(lines).toHaveLength(own === tenant ? 0 : 1);
    }
  });

  it.each(['SIGTERM', 'kill -9'])(
    'goes on talking after %s, and how it ended is known at the next start',
    async (how) => {
      const program = await startProgram({
        ...line.config,
        listen: { host: '127.0.0.1', port: await freePort('tcp') },
      });
      running.push(program);
      const staff = newNumber();
      const destination = await insertDestination(line.database.pool, tenant, { target: staff });
      const called = await call(
        flowTo(destination),
        [],
        [{ number: staff, steps: [talk(STAFF_HZ, 6000), { hangUp: true }] }],
      );
      await untilTalking(staff);
      await (how === 'SIGTERM' ? program.stop() : program.kill());
      const there = await line.phones!.untilEnded(staff);
      expect(there.endedBy).toBe('phone');
      const here = await line.phones!.untilEnded(called.callee);
      expect(hertzOf(here.pcm())).toContain(STAFF_HZ);
      // No fallback prompt, and no message: nobody is there to go on with the flow.
      expect(here.endedAt! - there.endedAt!).toBeLessThan(1000);
      await start();
      const { attempt, transfers } = await outcomeOf(called);
      expect(transfers).toMatchObject([{ outcome: 'connected', talked_seconds: 6 }]);
      expect(attempt).toMatchObject({ disposition: 'answered', dial_status: null });
    },
  );
});

/** The loudest frequency of each tenth of a second that is not silent, to 10 Hz, each once. */
function hertzOf(pcm: Int16Array): number[] {
  const found = new Set<number>();
  const size = 800;
  for (let at = 0; at + size <= pcm.length; at += size) {
    const frame = pcm.subarray(at, at + size);
    if (frame.reduce((sum, x) => sum + Math.abs(x), 0) / size < 300) continue;
    let best = { hz: 0, power: 0 };
    for (let hz = 300; hz <= 1500; hz += 10) {
      const power = goertzel(frame, hz);
      if (power > best.power) best = { hz, power };
    }
    found.add(best.hz);
  }
  return [...found];
}

function goertzel(frame: Int16Array, hz: number): number {
  const turn = 2 * Math.cos((2 * Math.PI * hz) / 8000);
  let [one, two] = [0, 0];
  for (const sample of frame) [one, two] = [sample + turn * one - two, one];
  return one * one + two * two - turn * one * two;
}
