import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAdmission } from '../../src/agi/scripts/admission.js';
import { type AnsweredCall, answeredScript } from '../../src/agi/scripts/answered.js';
import { type AgiServer, createAgiServer } from '../../src/agi/server.js';
import { createCallTokens } from '../../src/agi/token.js';
import { flowOfMessage } from '../../src/calls/flow/of-message.js';
import { AMD_DEFAULTS, BEEP_DEFAULTS, type MachineDetection } from '../../src/calls/machine.js';
import type { CallNote } from '../../src/db/open-attempts.js';
import { newId } from '../../src/ids.js';
import { FakeAsterisk, memoryLog } from './fake-asterisk.js';
import { nothingBehind } from './nothing-behind.js';

const tokens = createCallTokens(randomBytes(32));
const [said, left] = [newId(), newId()];
let server: AgiServer;
let port: number;
let notes: CallNote[];
let logged: { level: string; msg: string }[];
let optedOut: number;
let machine: MachineDetection;
let held: Promise<unknown> | null;

beforeEach(async () => {
  notes = [];
  optedOut = 0;
  held = null;
  machine = { ...AMD_DEFAULTS, ...BEEP_DEFAULTS, action: 'hang_up', message_id: null };
  const { log, lines } = memoryLog();
  logged = lines;
  const callOf = async (): Promise<AnsweredCall> => ({
    log,
    flow: flowOfMessage(said, '9'),
    machine,
    fields: {},
    timeZone: 'UTC',
    about: {},
    soundOf: (part) => ({ path: `/sounds/${'message' in part ? part.message : ''}`, seconds: 3 }),
    ...nothingBehind,
    deeds: {
      optOut: async () => {
        optedOut += 1;
      },
      ask: async () => null,
    },
  });
  const write = async (note: CallNote) => {
    if (note.machine) await held;
    notes.push(note);
    return true;
  };
  const admission = createAdmission(tokens, log);
  server = createAgiServer({
    port: 0,
    log,
    scripts: { answered: answeredScript({ admission, notes: { write }, callOf, log }) },
  });
  port = (await server.start()).port;
});
afterEach(() => server.stop(0));

const answer = () => FakeAsterisk.call(port, { script: 'answered', args: ['call', tokens.tokenFor('call')] });
const verdict = () => Object.assign({}, ...notes.map((note) => note.machine ?? {}));
const playing = (id: string) => `CONTROL STREAM FILE "/sounds/${id}" "0123456789*#" "1000" "x" "x" "x"`;

/** AMD and what it found. */
async function decided(asterisk: FakeAsterisk, status: string, cause: string): Promise<void> {
  expect(await asterisk.answer('200 result=0')).toBe('EXEC "AMD" "2500,1500,800,5000,100,50,2,256,5000"');
  expect(await asterisk.answer(`200 result=1 (${status})`)).toBe('GET VARIABLE "AMDSTATUS"');
  expect(await asterisk.answer(`200 result=1 (${cause})`)).toBe('GET VARIABLE "AMDCAUSE"');
}

describe('a machine', () => {
  it('is hung up on when its verdict is committed', async () => {
    let commit = () => {};
    held = new Promise<void>((resolve) => {
      commit = resolve;
    });
    const asterisk = await answer();
    await decided(asterisk, 'MACHINE', 'MAXWORDS-3-2');
    let closed = false;
    void asterisk.closed.then(() => {
      closed = true;
    });
    await expect.poll(() => notes.some((note) => note.heardSeconds === 0)).toBe(true);
    expect(closed).toBe(false);
    commit();
    await asterisk.closed;
    expect(verdict()).toMatchObject({ status: 'machine', cause: 'MAXWORDS', measured: 3, action: 'hang_up' });
    expect(asterisk.lines).toHaveLength(3);
  });

  it('has its message once it is silent, and whoever was taken for one can opt out of it', async () => {
    machine = { ...machine, action: 'leave_message', message_id: left, beep_limit: 30_500 };
    const asterisk = await answer();
    await decided(asterisk, 'MACHINE', 'LONGGREETING-1500-1500');
    expect(await asterisk.answer('200 result=0')).toBe('EXEC "WaitForSilence" "2000,1,31"');
    expect(await asterisk.answer('200 result=1 (SILENCE)')).toBe('GET VARIABLE "WAITSTATUS"');
    // Other keys, or what a machine's voice is taken for, do not end it.
    expect(await asterisk.answer('200 result=53 endpos=8000')).toBe(playing(left));
    expect(await asterisk.next()).toContain(`"/sounds/${left}"`);
    expect(optedOut).toBe(0);
    asterisk.send('200 result=57 endpos=16000\n');
    await asterisk.closed;
    expect(optedOut).toBe(1);
    expect(verdict()).toMatchObject({ action: 'leave_message', beep: 'over' });
  });

  it('has it also when it is never silent', async () => {
    machine = { ...machine, action: 'leave_message', message_id: left };
    const asterisk = await answer();
    await decided(asterisk, 'MACHINE', 'LONGGREETING-1500-1500');
    await asterisk.answer('200 result=0');
    await asterisk.answer('200 result=1 (TIMEOUT)');
    expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(playing(left));
    await asterisk.closed;
    expect(verdict()).toMatchObject({ beep: 'limit' });
  });

  it('may hang up in its greeting', async () => {
    machine = { ...machine, action: 'leave_message', message_id: left };
    const asterisk = await answer();
    await decided(asterisk, 'MACHINE', 'LONGGREETING-1500-1500');
    await asterisk.next();
    asterisk.send('HANGUP\n200 result=-1\n');
    await asterisk.closed;
    expect(verdict()).toMatchObject({ status: 'machine', beep: null });
    expect(notes.at(-1)).toMatchObject({ heardSeconds: 0 });
  });
});

describe('everybody else', () => {
  it.each([
    ['HUMAN', 'HUMAN-800-800', 'person'],
    ['NOTSURE', 'TOOLONG-5000', 'unsure'],
    ['', '', 'unsure'],
  ])('hears the message: %s', async (amdStatus, cause, status) => {
    const asterisk = await answer();
    await decided(asterisk, amdStatus, cause);
    expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(playing(said));
    await asterisk.closed;
    expect(verdict()).toMatchObject({ status, action: null });
  });

  it('is taken for a person where Asterisk has no AMD, which is logged once a minute', async () => {
    for (let i = 0; i < 2; i++) {
      const asterisk = await answer();
      await asterisk.answer('200 result=-2');
      expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(playing(said));
      await asterisk.closed;
    }
    expect(verdict()).toMatchObject({ status: 'unsure', cause: 'UNAVAILABLE', action: null });
    expect(logged.filter(({ level }) => level === 'error')).toMatchObject([
      { msg: 'cannot tell machines from persons: Asterisk has no app_amd' },
    ]);
  });

  it('may hang up before it is decided', async () => {
    const asterisk = await answer();
    await asterisk.next();
    asterisk.send('HANGUP\n200 result=-1\n');
    await asterisk.closed;
    expect(verdict()).toMatchObject({ status: 'hung_up', cause: null, action: null });
    expect(notes.at(-1)).toMatchObject({ heardSeconds: 0 });
  });
});
