import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createAdmission } from '../../src/agi/scripts/admission.js';
import { type AnsweredCall, answeredScript } from '../../src/agi/scripts/answered.js';
import { hangupScript } from '../../src/agi/scripts/hangup.js';
import { inboundScript } from '../../src/agi/scripts/inbound.js';
import { transferredScript } from '../../src/agi/scripts/transferred.js';
import { type AgiServer, createAgiServer } from '../../src/agi/server.js';
import { createCallTokens, INBOUND } from '../../src/agi/token.js';
import { flowDefinition } from '../../src/calls/flow/schema.js';
import { AMD_DEFAULTS, BEEP_DEFAULTS } from '../../src/calls/machine.js';
import type { CallNote } from '../../src/db/open-attempts.js';
import { newId } from '../../src/ids.js';
import { FakeAsterisk, memoryLog } from './fake-asterisk.js';

// Every script, and at each of its commands an Asterisk that hangs up, breaks off or answers nonsense.

const tokens = createCallTokens(randomBytes(32));
const [A, B, D] = [newId(), newId(), newId()];
const flow = flowDefinition.parse({
  start: 'menu',
  steps: {
    menu: { type: 'menu', prompt: [{ message: A }], keys: { 1: 'speak' }, timeout_seconds: 2 },
    speak: { type: 'record', save_as: 'said', max_seconds: 5, next: 'pass' },
    pass: { type: 'transfer', destination: D, next: 'bye' },
    bye: { type: 'play', message: B },
  },
});

/** How it answers when nothing is odd. */
function usual(command: string): string {
  if (command.startsWith('CONTROL STREAM FILE "/menu"')) return '200 result=49 endpos=900';
  if (command.startsWith('CONTROL STREAM FILE')) return '200 result=0 endpos=-1';
  if (command.startsWith('RECORD FILE')) return '200 result=0 (timeout) endpos=8000';
  if (command.includes('AMDSTATUS')) return '200 result=1 (HUMAN)';
  if (command.includes('DIALSTATUS')) return '200 result=1 (ANSWER)';
  if (command.startsWith('GET VARIABLE')) return '200 result=1 (1)';
  return '200 result=0';
}

function thenCloses(asterisk: FakeAsterisk, sent: string | Buffer): void {
  asterisk.sendBytes(Buffer.from(sent as string));
  asterisk.close();
}

const FOREVER = '520-Invalid command syntax.\n'.repeat(10);
const ODDITIES: Record<string, (asterisk: FakeAsterisk) => void> = {
  'HANGUP, and closes': (a) => thenCloses(a, 'HANGUP\n'),
  'HANGUP before the reply': (a) => a.send('HANGUP\n200 result=-1 endpos=900\n'),
  'HANGUP behind the reply': (a) => a.send('200 result=0\nHANGUP\n'),
  'HANGUP many times': (a) => thenCloses(a, 'HANGUP\n'.repeat(500)),
  '511': (a) => a.send('511 Command Not Permitted on a dead channel\n'),
  'a reset': (a) => a.reset(),
  'its end, and no reply': (a) => a.close(),
  'half a reply, and its end': (a) => thenCloses(a, '200 res'),
  'a line without end': (a) => a.send('x'.repeat(40_000)),
  'lines of NUL': (a) => thenCloses(a, '\0\n'.repeat(500)),
  'random bytes': (a) => thenCloses(a, randomBytes(2_000)),
  'a usage without end': (a) => a.send(FOREVER.repeat(200)),
  'a value without end': (a) => a.send(`200 result=1 (${'x\n'.repeat(30_000)}`),
  'replies that nobody asked for': (a) => a.send('200 result=49 endpos=1\n'.repeat(50)),
  'other lines, and the reply': (a) => a.send('hello\n\n100 Trying\n200 result=0\n'),
  'no reply': (a) => thenCloses(a, '000 result=1\n'),
  'no result': (a) => thenCloses(a, '200\n'),
  ...Object.fromEntries(
    [
      '999 result=1',
      '200 result=',
      '200 result=x',
      '200 result=-99',
      '200 result=65536',
      '200 result=7',
      '200 result=99999999999999999999 endpos=99999999999999999999999999999999999999999999',
      '200 result=49 endpos=999999999999',
      '200 result=49 endpos=-7',
      '200 result=1 (\0)',
      '200 result=1 (HUMAN\u0000)',
      '510 Invalid or unknown command',
      '520 End of proper usage.',
    ].map((reply) => [JSON.stringify(reply), (a: FakeAsterisk) => a.send(`${reply}\n`)]),
  ),
};

let server: AgiServer;
let port: number;
let notes: CallNote[] = [];
let ends: { seconds: number }[] = [];
let told: unknown[] = [];

beforeAll(async () => {
  const { log } = memoryLog();
  const call: AnsweredCall = {
    flow,
    machine: { ...AMD_DEFAULTS, ...BEEP_DEFAULTS, action: 'continue', message_id: null },
    fields: {},
    timeZone: 'UTC',
    about: {},
    soundOf: (part) => ({ path: 'message' in part && part.message === A ? '/menu' : '/bye', seconds: 3 }),
    recordings: { pathFor: () => '/recordings/x', keep: async () => ({ id: null, seconds: 0 }) },
    transfers: {
      begin: async () => ({
        id: newId(),
        kind: 'extension',
        target: 'Local/desk@campanile-transfer/n',
        callerId: '+12125550100',
        route: 'x',
      }),
      end: async () => ({ outcome: 'connected', talkedSeconds: 1 }),
      whenTold: async () => null,
    },
    deeds: { optOut: async () => {}, ask: async () => null },
    log,
  };
  const write = async (note: CallNote) => {
    notes.push(note);
    return true;
  };
  const admission = createAdmission(tokens, log);
  server = createAgiServer({
    port: 0,
    log,
    scripts: {
      answered: answeredScript({ admission, notes: { write }, callOf: async () => call, log }),
      hangup: hangupScript({ admission, notes: { write }, log }),
      inbound: inboundScript({
        admission,
        callOf: async () => ({ ...call, passesOn: true, end: async (end) => void ends.push(end) }),
      }),
      transferred: transferredScript({ admission, ended: async (...of) => told.push(of) }),
    },
  });
  port = (await server.start()).port;
});
afterAll(() => server.stop(0));

const SCRIPTS: Record<string, string[]> = {
  answered: ['call', tokens.tokenFor('call')],
  hangup: ['call', tokens.tokenFor('call'), '16|200|ANSWER|PJSIP/a-00000001||9.5|3.5'],
  inbound: [INBOUND, tokens.tokenFor(INBOUND)],
  transferred: ['call', tokens.tokenFor('call'), `${newId()}|extension|ANSWER|||7`],
};

/** Serves a call, answering as usual but for command `at`; returns how many commands there were. */
async function converse(
  script: string,
  at: number,
  oddity: (asterisk: FakeAsterisk) => void,
): Promise<number> {
  [notes, ends, told] = [[], [], []];
  const asterisk = await FakeAsterisk.call(port, { script, args: SCRIPTS[script]! });
  let commands = 0;
  for (let command = await next(asterisk); command !== null; command = await next(asterisk)) {
    commands += 1;
    if (commands === at) oddity(asterisk);
    else asterisk.send(`${usual(command)}\n`);
  }
  await asterisk.closed;
  return commands;
}

/** The next command; null when the connection is closed. */
async function next(asterisk: FakeAsterisk): Promise<string | null> {
  const line = await asterisk.next().catch(() => null);
  return line === 'failure' ? null : line;
}

it.each(Object.keys(SCRIPTS))(
  'an odd Asterisk ends nothing but its own call: /%s',
  async (script) => {
    const commands = await converse(script, 0, () => {});
    expect(commands).toBeGreaterThan(script === 'answered' || script === 'inbound' ? 10 : 0);
    for (const [what, oddity] of Object.entries(ODDITIES)) {
      for (let at = 1; at <= commands; at += 1) {
        await converse(script, at, oddity);
        await vi.waitFor(() => expect([what, at, server.sessions]).toEqual([what, at, 0]), {
          timeout: 5_000,
          interval: 2,
        });
        for (const note of notes) {
          // Two messages of three seconds each, and the menu's may be heard three times.
          const heardSeconds = note.heardSeconds ?? 0;
          expect([what, at, heardSeconds >= 0 && heardSeconds <= 15]).toEqual([what, at, true]);
          const pressed = JSON.stringify(note.steps ?? []).matchAll(/"key":"(.*?)"/g);
          const keys = [...(note.key == null ? [] : [note.key]), ...[...pressed].map(([, key]) => key)];
          for (const key of keys)
            expect([what, at, key]).toEqual([what, at, expect.stringMatching(/^[0-9*#A-D]$/)]);
        }
        if (script === 'answered') expect([what, at, notes.length > 1]).toEqual([what, at, true]);
        if (script === 'inbound') expect([what, at, ends.length]).toEqual([what, at, 1]);
      }
    }
    expect(await converse(script, 0, () => {})).toBe(commands);
  },
  300_000,
);
