import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAdmission } from '../../src/agi/scripts/admission.js';
import { inboundScript } from '../../src/agi/scripts/inbound.js';
import { type AgiServer, createAgiServer } from '../../src/agi/server.js';
import { createCallTokens, INBOUND } from '../../src/agi/token.js';
import { flowDefinition } from '../../src/calls/flow/schema.js';
import type { InboundEnd } from '../../src/db/inbound-calls.js';
import { FakeAsterisk, memoryLog } from './fake-asterisk.js';
import { nothingBehind } from './nothing-behind.js';

const flow = flowDefinition.parse({
  start: 'ask',
  steps: {
    ask: { type: 'webhook', url: 'https://example.com/', next: 'bye', on_fail: 'bye' },
    bye: { type: 'hangup' },
  },
});
const tokens = createCallTokens(randomBytes(32));
let asked: (() => void) | null;
let ends: InboundEnd[];
let server: AgiServer;
let port: number;

beforeEach(async () => {
  asked = null;
  ends = [];
  const { log } = memoryLog();
  const inbound = inboundScript({
    admission: createAdmission(tokens, log),
    callOf: async () => ({
      log,
      flow,
      machine: null,
      fields: {},
      timeZone: 'UTC',
      about: {},
      soundOf: () => ({ path: '/sounds/none', seconds: 1 }),
      passesOn: true,
      deeds: {
        optOut: async () => {},
        // The tenant's server never answers.
        ask: () => {
          asked?.();
          return new Promise(() => {});
        },
      },
      async end(end) {
        ends.push(end);
      },
      ...nothingBehind,
    }),
  });
  server = createAgiServer({ port: 0, log, scripts: { inbound } });
  port = (await server.start()).port;
});
afterEach(() => server.stop(0));

it("ends with the caller who hangs up while the tenant's server is asked, and passes him on to nobody", async () => {
  const reached = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const asterisk = await FakeAsterisk.call(port, {
    script: 'inbound',
    args: [INBOUND, tokens.tokenFor(INBOUND)],
  });
  expect(await asterisk.next()).toBe('EXEC "Answer" ""');
  asterisk.send('200 result=0\n');
  await reached;
  asterisk.send('HANGUP\n');
  await asterisk.closed;
  expect(ends).toMatchObject([{ passedOn: false, steps: [{ step: 'ask', outcome: 'hung_up' }] }]);
});
