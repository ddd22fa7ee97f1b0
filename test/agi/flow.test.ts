import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallNotes } from '../../src/agi/notes.js';
import { createAdmission } from '../../src/agi/scripts/admission.js';
import { answeredScript } from '../../src/agi/scripts/answered.js';
import { type AgiServer, createAgiServer } from '../../src/agi/server.js';
import { createCallTokens } from '../../src/agi/token.js';
import { flowOfMessage } from '../../src/calls/flow/of-message.js';
import { type Flow, flowDefinition } from '../../src/calls/flow/schema.js';
import type { CallNote } from '../../src/db/open-attempts.js';
import { FakeAsterisk, memoryLog } from './fake-asterisk.js';
import { nothingBehind } from './nothing-behind.js';

const A = '019387a0-0000-7000-8000-000000000001';
const B = '019387a0-0000-7000-8000-000000000002';
const tokens = createCallTokens(randomBytes(32));
const plays = (id: string, fromMs?: number) =>
  `CONTROL STREAM FILE "/sounds/${id}" "0123456789*#" "1000" "x" "x" "x"${fromMs ? ` "${fromMs}"` : ''}`;

let server: AgiServer;
let port: number;
let flow: Flow;
let notes: CallNote[];
let optOut: () => Promise<void>;
let logged: { level: string; msg: string }[];

beforeEach(async () => {
  notes = [];
  optOut = async () => {};
  const { log, lines } = memoryLog();
  logged = lines;
  const kept: CallNotes = {
    async write(note) {
      notes.push(note);
      return true;
    },
  };
  const callOf = async () => ({
    flow,
    log,
    machine: null,
    fields: {},
    timeZone: 'UTC',
    about: {},
    soundOf: (part: object) => {
      if (!('message' in part)) throw new Error('no sound');
      return { path: `/sounds/${part.message}`, seconds: 3 };
    },
    deeds: { optOut: () => optOut(), ask: async () => null },
    ...nothingBehind,
  });
  const admission = createAdmission(tokens, log);
  const answered = answeredScript({ admission, notes: kept, callOf, log });
  server = createAgiServer({ port: 0, log, scripts: { answered } });
  port = (await server.start()).port;
});
afterEach(() => server.stop(0));

const answer = () => FakeAsterisk.call(port, { script: 'answered', args: ['call', tokens.tokenFor('call')] });
const steps = () => notes.flatMap((note) => note.steps ?? []);
const last = () => notes.at(-1)!;
const define = (definition: unknown) => {
  flow = flowDefinition.parse(definition);
};
const two = { a: { type: 'play', message: A, next: 'b' }, b: { type: 'play', message: B } };

describe('a flow over FastAGI', () => {
  it('goes on where a key broke a message off that means nothing there', async () => {
    define({ start: 'a', steps: two });
    const asterisk = await answer();
    expect(await asterisk.answer('200 result=53 endpos=1200')).toBe(plays(A));
    expect(await asterisk.answer('200 result=54 endpos=2000')).toBe(plays(A, 1200));
    expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(plays(A, 2000));
    expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(plays(B));
    await asterisk.closed;
    expect(steps()).toMatchObject([
      { step: 'a', heard_seconds: 3, pressed: [{ key: '5' }, { key: '6' }] },
      { step: 'b', heard_seconds: 3 },
    ]);
    expect(last()).toMatchObject({ heardSeconds: 6, key: '6' });
  });

  it('writes each step down when it is over, and a call of one step with one write', async () => {
    define({ start: 'a', steps: two });
    const asterisk = await answer();
    await asterisk.answer('200 result=0 endpos=-1');
    await asterisk.next();
    await expect.poll(() => steps().map(({ step }) => step)).toEqual(['a']);
    asterisk.send('200 result=0 endpos=-1\n');
    await asterisk.closed;
    expect(steps().map(({ step }) => step)).toEqual(['a', 'b']);
    expect(notes).toHaveLength(3);

    notes = [];
    flow = flowOfMessage(A, null);
    const simple = await answer();
    await simple.answer('200 result=0 endpos=-1');
    await simple.closed;
    // The answer, and all the rest.
    expect(notes).toHaveLength(2);
  });

  it('waits for a key when the prompt is over', async () => {
    define({
      start: 'ask',
      steps: {
        ask: {
          type: 'menu',
          prompt: [{ message: A }, { message: B }],
          keys: { 1: 'b' },
          timeout_seconds: 2.5,
        },
        b: two.b,
      },
    });
    const asterisk = await answer();
    expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(plays(A));
    expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(plays(B));
    expect(await asterisk.answer('200 result=49')).toBe('WAIT FOR DIGIT "2500"');
    expect(await asterisk.answer('200 result=0 endpos=-1')).toBe(plays(B));
    await asterisk.closed;
    expect(steps()[0]).toMatchObject({ outcome: 'answered', heard_seconds: 6, pressed: [{ key: '1' }] });
  });

  it('is over when the callee hangs up while it waits for a key', async () => {
    define({ start: 'ask', steps: { ask: { type: 'menu', prompt: [{ message: A }], keys: {} } } });
    const asterisk = await answer();
    await asterisk.answer('200 result=0 endpos=-1');
    await asterisk.next();
    asterisk.send('HANGUP\n200 result=-1\n');
    await asterisk.closed;
    expect(steps()).toMatchObject([{ step: 'ask', heard_seconds: 3, outcome: 'hung_up' }]);
    expect(last()).toMatchObject({ heardSeconds: 3 });
    expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('ends the call only when the wish for no more calls is committed', async () => {
    flow = flowOfMessage(A, '9');
    let commit: (() => void) | undefined;
    const order: string[] = [];
    optOut = async () => {
      await new Promise<void>((resolve) => {
        commit = resolve;
      });
      order.push('committed');
    };
    const asterisk = await answer();
    void asterisk.closed.then(() => order.push('closed'));
    await asterisk.answer('200 result=57 endpos=500');
    await expect.poll(() => commit !== undefined).toBe(true);
    expect(order).toEqual([]);
    commit!();
    await asterisk.closed;
    expect(order).toEqual(['committed', 'closed']);
    // Not one more command: the dialplan hangs up.
    expect(asterisk.lines).toEqual([plays(A)]);
    expect(steps()).toMatchObject([{ outcome: 'opted_out', pressed: [{ key: '9' }], heard_seconds: 0.5 }]);
  });

  it('that cannot say something leaves the rest to the dialplan, with what was heard before', async () => {
    define({ start: 'a', steps: { a: two.a, b: { type: 'say', prompt: [{ text: 'x' }] } } });
    const asterisk = await answer();
    await asterisk.answer('200 result=0 endpos=-1');
    await asterisk.closed;
    expect(steps()).toMatchObject([
      { step: 'a', heard_seconds: 3 },
      { step: 'b', outcome: 'failed' },
    ]);
    expect(last()).toMatchObject({ heardSeconds: 3 });
    expect(logged.map(({ msg }) => msg)).toContain('agi session failed: no sound');
  });
});
