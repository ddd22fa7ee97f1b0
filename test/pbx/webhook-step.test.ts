import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { noise } from '../../src/lab/phone/noise.js';
import { type FlowCalls, flowCalls } from '../support/flow-calls.js';
import { describeOnAsterisk, type Line, startLine } from '../support/line.js';

const HELLO = noise(0.6, 1);
const YES = noise(0.7, 2);
const NO = noise(0.8, 3);

describeOnAsterisk('a flow that asks the tenant’s server', () => {
  let line: Line;
  let calls: FlowCalls;
  let server: Server;
  let flow: string;
  const asked: { contact: { number: string; fields: object } }[] = [];
  /** What the server does with the next request: null is nothing. */
  let reply: string | null = '{"slot": "3"}';

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        asked.push(JSON.parse(body));
        if (reply !== null) response.setHeader('Content-Type', 'application/json').end(reply);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ask`;
    line = await startLine({ phones: {} });
    calls = await flowCalls(line, [HELLO, YES, NO]);
    await line.start({ allowPrivateWebhooks: true });
    const says = (sound: typeof HELLO) => [{ message: calls.message(sound) }];
    flow = await calls.flow({
      start: 'hello',
      steps: {
        hello: { type: 'say', prompt: says(HELLO), next: 'ask' },
        ask: { type: 'webhook', url, timeout_ms: 1000, save: ['slot'], next: 'yes', on_fail: 'no' },
        yes: { type: 'say', prompt: says(YES) },
        no: { type: 'say', prompt: says(NO) },
      },
    });
  });
  afterAll(async () => {
    await line?.stop();
    server?.closeAllConnections();
    server?.close();
  });

  it('goes on by what it answers', async () => {
    const { steps, attempt, heardAs } = await calls.call(flow, [], { name: 'Ann' });
    expect(asked.at(-1)!.contact).toMatchObject({ number: attempt.number, fields: { name: 'Ann' } });
    expect(steps).toEqual([
      { step: 'hello', type: 'say' },
      { step: 'ask', type: 'webhook', outcome: 'answered' },
      { step: 'yes', type: 'say' },
    ]);
    expect(attempt.answers).toEqual({ slot: '3' });
    expect(heardAs(HELLO, YES)).toMatchObject({ sounds: [{ is: 'whole' }, { is: 'whole' }], otherMs: 0 });
  });

  it('goes on all the same when it answers nothing in time, or nonsense', async () => {
    for (const nothing of [null, '<html>', '[]']) {
      reply = nothing;
      const { steps, attempt, heardAs } = await calls.call(flow, []);
      expect(steps).toMatchObject([{ step: 'hello' }, { step: 'ask', outcome: 'failed' }, { step: 'no' }]);
      expect(attempt.answers).toBeNull();
      expect(heardAs(HELLO, NO)).toMatchObject({ sounds: [{ is: 'whole' }, { is: 'whole' }], otherMs: 0 });
    }
  });

  it('knows that the callee hung up while it was asked', async () => {
    reply = null;
    const { steps, attempt, heardAs } = await calls.call(flow, [{ untilSilence: 300 }, { hangUp: true }]);
    expect(attempt).toMatchObject({ disposition: 'answered', hung_up_by: 'callee' });
    expect(steps).toEqual([
      { step: 'hello', type: 'say' },
      { step: 'ask', type: 'webhook', outcome: 'hung_up' },
    ]);
    expect(heardAs(HELLO)).toMatchObject({ sounds: [{ is: 'whole' }], otherMs: 0 });
  });
});
