import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Flow } from '../../src/calls/flow/schema.js';
import { AMD_DEFAULTS, BEEP_DEFAULTS, type MachineDetection } from '../../src/calls/machine.js';
import { until } from '../../src/lab/condition.js';
import { codecOf } from '../../src/lab/phone/codec.js';
import { compareBytes } from '../../src/lab/phone/compare.js';
import type { HeardCall } from '../../src/lab/phone/heard.js';
import { MACHINE, PERSON, type Script, type Step } from '../../src/lab/phone/script.js';
import { playedOf } from '../../src/lab/phone/sounds.js';
import type { Running } from '../../src/main.js';
import {
  type AttemptRow,
  attemptsOf,
  contactsOf,
  insertCampaignFixture,
  insertFlowFixture,
  insertTenantFixture,
  type TenantFixture,
} from '../support/campaigns.js';
import { apiFor, describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';

const MESSAGE_SECONDS = 2;
const message = toneMessage(MESSAGE_SECONDS);
const payload = codecOf('PCMU').encode(playedOf(message.audio));
const detection = (over: Partial<MachineDetection>): MachineDetection => ({
  ...AMD_DEFAULTS,
  ...BEEP_DEFAULTS,
  action: 'hang_up',
  message_id: null,
  ...over,
});

/** What telephones do that are called, by the end of the number. */
const MANNERS: Record<string, readonly Step[]> = {
  '01': [...PERSON, { silence: 5_000 }],
  '02': MACHINE,
  // Nothing comes from it, as from one that sends no packets while nobody speaks.
  '03': [],
  '04': [{ silence: 8_000 }],
  '05': [{ wait: 700 }, { hangUp: true }],
  // A machine that never stops: music on hold, for example.
  '06': [{ say: { tone: 700, ms: 30_000 } }],
  // Somebody with a lot to say, who then presses a key.
  '07': [{ say: { tone: 300, ms: 1_800 } }, { untilAudio: true }, { wait: 500 }, { press: '5' }],
};
const scripts: Script[] = Object.entries(MANNERS).map(([code, steps]) => ({ number: `*${code}`, steps }));

describeOnAsterisk('who answers a call', () => {
  let line: Line;
  let campanile: Running;
  let tenant: TenantFixture;
  let dialled = 0;

  beforeAll(async () => {
    line = await startLine({ phones: { scripts, sendSilence: false } });
    tenant = await insertTenantFixture(line.database.pool, { ports: 50, pbxTrunk: 'phones', ...message });
    campanile = await line.start();
  });
  afterAll(() => line.stop());

  async function dial(code: string, options: Parameters<typeof insertCampaignFixture>[3]) {
    const { pool } = line.database;
    const number = `+12125${1000 + dialled++}${code}`;
    const id = await insertCampaignFixture(pool, tenant, [number], options);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    return { id, number };
  }

  async function ended(id: string): Promise<AttemptRow> {
    const attempt = async () => (await attemptsOf(line.database.pool, id))[0];
    // What was heard may be written down after the end, when the callee hangs up.
    const over = async () => {
      const row = await attempt();
      return row?.state === 'ended' && row.heard_seconds !== null;
    };
    expect(await until(over, { timeoutMs: 60_000, everyMs: 50 })).toBe(true);
    return (await attempt())!;
  }

  /** A campaign's call to a telephone of that manner: what both sides say of it. */
  async function call(
    code: string,
    machineDetection: MachineDetection,
    options: Parameters<typeof insertCampaignFixture>[3] = {},
  ): Promise<{ id: string; heard: HeardCall; attempt: AttemptRow; contact: string }> {
    const { id, number } = await dial(code, { ...options, machineDetection });
    const heard = await line.phones!.untilEnded(number);
    const attempt = await ended(id);
    return { id, heard, attempt, contact: (await contactsOf(line.database.pool, id))[0]!.state };
  }

  const isMessage = (heard: HeardCall) => {
    const received = Buffer.concat(heard.stretches.map((stretch) => stretch.payload));
    return compareBytes(received, payload);
  };

  it.concurrent('a person hears the message once AMD has decided', async () => {
    const { heard, attempt, contact } = await call('01', detection({}));
    expect(attempt.machine).toEqual({
      status: 'person',
      cause: 'HUMAN',
      measured: expect.any(Number),
      limit: AMD_DEFAULTS.after_greeting_silence,
      after_ms: expect.any(Number),
      action: null,
      beep_after_ms: null,
      beep: null,
    });
    expect(attempt.machine!.measured).toBeGreaterThanOrEqual(AMD_DEFAULTS.after_greeting_silence);
    expect(attempt).toMatchObject({ disposition: 'answered', heard_seconds: MESSAGE_SECONDS, silent: false });
    expect(contact).toBe('answered');
    expect(isMessage(heard)).toMatchObject({ sounds: [{ is: 'whole' }], otherMs: 0 });
    // What was written down is the silence that the person heard, but for the time it takes to begin.
    const silence = heard.firstAudioAt! - heard.answeredAt!;
    expect(Math.abs(silence - attempt.machine!.after_ms)).toBeLessThan(250);
  });

  it.concurrent('a machine is hung up on, and called again by the rule for machines', async () => {
    const { heard, attempt, contact } = await call('02', detection({}), { retry: { machine: '1h' } });
    expect(attempt.machine).toMatchObject({ status: 'machine', action: 'hang_up', beep: null });
    expect(['LONGGREETING', 'MAXWORDS']).toContain(attempt.machine!.cause);
    expect(attempt).toMatchObject({
      disposition: 'machine',
      heard_seconds: 0,
      silent: false,
      hung_up_by: 'campanile',
    });
    expect(contact).toBe('retrying');
    expect(heard).toMatchObject({ stretches: [], endedBy: 'caller' });
  });

  it.concurrent('a machine that is not called again ends its contact as machine', async () => {
    const { id, contact } = await call('02', detection({}));
    expect(contact).toBe('machine');
    const api = await apiFor(line, campanile, tenant);
    const { json: campaign } = await api('GET', `/v1/campaigns/${id}`);
    expect(campaign).toMatchObject({ status: 'completed', contacts: { machine: 1, answered: 0, total: 1 } });
    const { json: report } = await api('GET', `/v1/campaigns/${id}/report`);
    expect(report.totals).toMatchObject({ answered: 1, machines: 1, seizures: 1, contacts: { machine: 1 } });
  });

  it.concurrent('a machine has the message, whole and nothing else, behind its beep', async () => {
    const { heard, attempt } = await call(
      '02',
      detection({ action: 'leave_message', message_id: tenant.messageId }),
    );
    expect(attempt.machine).toMatchObject({ status: 'machine', action: 'leave_message', beep: 'over' });
    expect(attempt).toMatchObject({ disposition: 'machine', heard_seconds: MESSAGE_SECONDS, silent: false });
    expect(attempt.steps).toMatchObject([
      { step: 'machine_message', type: 'play', heard_seconds: MESSAGE_SECONDS },
    ]);
    expect(isMessage(heard)).toMatchObject({ sounds: [{ is: 'whole' }], otherMs: 0 });
    // Its last step is the beep.
    const beepOver = heard.stepsDoneAt.at(-1)!;
    expect(heard.stepsDoneAt).toHaveLength(MACHINE.length);
    const after = heard.firstAudioAt! - beepOver;
    expect(after).toBeGreaterThan(BEEP_DEFAULTS.beep_silence - 100);
    expect(after).toBeLessThan(BEEP_DEFAULTS.beep_silence + 700);
    const { after_ms, beep_after_ms } = attempt.machine!;
    expect(Math.abs(heard.firstAudioAt! - heard.answeredAt! - after_ms - beep_after_ms!)).toBeLessThan(300);
  });

  it.concurrent('a machine that is never silent has the message when the time is up', async () => {
    const leave = { action: 'leave_message', message_id: tenant.messageId, beep_limit: 5_000 } as const;
    const { heard, attempt } = await call('06', detection(leave));
    expect(attempt.machine).toMatchObject({ status: 'machine', beep: 'limit' });
    expect(attempt.machine!.beep_after_ms).toBeGreaterThan(3_900);
    expect(attempt.machine!.beep_after_ms).toBeLessThan(5_500);
    expect(isMessage(heard)).toMatchObject({ sounds: [{ is: 'whole' }] });
  });

  it.concurrent('a flow goes on and knows that it is a machine', async () => {
    const flow: Flow = {
      start: 'who',
      language: 'en',
      opt_out_key: null,
      steps: {
        who: { type: 'branch', value: '{call.machine}', cases: { machine: 'told' }, otherwise: 'none' },
        told: { type: 'play', message: tenant.messageId, any_key_ends: false },
        none: { type: 'hangup' },
      },
    };
    const flowId = await insertFlowFixture(line.database.pool, tenant, flow);
    const { heard, attempt } = await call('02', detection({ action: 'continue' }), { flowId });
    expect(attempt.machine).toMatchObject({ status: 'machine', action: 'continue' });
    expect(attempt).toMatchObject({ disposition: 'machine', heard_seconds: MESSAGE_SECONDS });
    expect(attempt.steps).toMatchObject([{ step: 'who', outcome: 'machine' }, { step: 'told' }]);
    expect(isMessage(heard)).toMatchObject({ sounds: [{ is: 'whole' }] });
  });

  it.concurrent('who presses a key is no machine, whatever AMD said', async () => {
    const { heard, attempt, contact } = await call('07', detection({ action: 'continue' }), {
      retry: { machine: '1h' },
    });
    expect(heard.pressed.map(({ key }) => key)).toEqual(['5']);
    expect(attempt).toMatchObject({ key: '5', disposition: 'answered', machine: { status: 'machine' } });
    expect(contact).toBe('answered');
  });

  it.concurrent('whoever sends no sound at all is unsure, and treated as a person', async () => {
    const { heard, attempt } = await call('03', detection({}));
    expect(attempt.machine).toMatchObject({ status: 'unsure', action: null });
    expect(['NOAUDIODATA', 'TOOLONG']).toContain(attempt.machine!.cause);
    expect(attempt).toMatchObject({ disposition: 'answered', heard_seconds: MESSAGE_SECONDS, silent: false });
    expect(isMessage(heard)).toMatchObject({ sounds: [{ is: 'whole' }], otherMs: 0 });
  });

  it.concurrent('whoever says nothing and is hung up on counts as called in silence', async () => {
    const { attempt } = await call('04', detection({}));
    expect(attempt.machine).toMatchObject({
      status: 'machine',
      cause: 'INITIALSILENCE',
      limit: AMD_DEFAULTS.initial_silence,
    });
    expect(attempt).toMatchObject({ disposition: 'machine', silent: true });
  });

  it.concurrent('whoever hangs up before it is decided was called in silence too', async () => {
    const { attempt, contact } = await call('05', detection({}));
    expect(attempt.machine).toMatchObject({ status: 'hung_up', cause: null, action: null });
    expect(attempt.machine!.after_ms).toBeGreaterThan(500);
    expect(attempt).toMatchObject({ disposition: 'answered', silent: true, hung_up_by: 'callee' });
    expect(contact).toBe('answered');
  });

  it('a call that outlives Campanile ends as what was decided', async () => {
    const { pool } = line.database;
    const { id } = await dial('06', {
      machineDetection: detection({
        action: 'leave_message',
        message_id: tenant.messageId,
        beep_limit: 5_000,
      }),
    });
    const decided = async () => (await attemptsOf(pool, id))[0]?.machine?.status === 'machine';
    expect(await until(decided, { timeoutMs: 20_000, everyMs: 50 })).toBe(true);
    await campanile.stop();
    campanile = await line.start();
    const over = async () => (await attemptsOf(pool, id))[0]!.disposition;
    await expect.poll(over, { timeout: 20_000 }).toBe('machine');
    expect((await attemptsOf(pool, id))[0]!.machine).toMatchObject({ status: 'machine', beep: null });
  });

  it('what a campaign asks for over the API is what is done', async () => {
    const api = await apiFor(line, campanile, tenant);
    const { json: made } = await api('POST', '/v1/campaigns', {
      name: 'machines',
      trunk_ids: [tenant.trunkId],
      message_id: tenant.messageId,
      machine_detection: {
        action: 'continue',
        maximum_number_of_words: 50,
        greeting: 15000,
        total_analysis_time: 1500,
      },
    });
    const number = `+12125${1000 + dialled++}02`;
    const added = await api('POST', `/v1/campaigns/${made.id}/contacts`, { contacts: [{ number }] });
    const started = await api('POST', `/v1/campaigns/${made.id}/start`);
    expect([added.json, started.json]).toMatchObject([{ added: 1 }, { status: 'running' }]);
    await ended(made.id);
    const { json } = await api('GET', `/v1/campaigns/${made.id}/attempts`);
    expect(json.data).toMatchObject([
      { disposition: 'answered', machine: { status: 'unsure', cause: 'TOOLONG', measured: 1500 } },
    ]);
  });
});
