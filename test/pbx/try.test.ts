import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { noise } from '../../src/lab/phone/noise.js';
import { type FlowAttempt, type FlowCalls, flowCall, flowCalls } from '../support/flow-calls.js';
import { apiFor, describeOnAsterisk, type Line, type SendToApi, startLine } from '../support/line.js';

const A = noise(1.5, 1);
const B = noise(1, 2);
const NUMBER = '+12122999555';

describeOnAsterisk('a try of a flow', () => {
  let line: Line;
  let calls: FlowCalls;
  let send: SendToApi;

  beforeAll(async () => {
    line = await startLine({ phones: {} });
    calls = await flowCalls(line, [A, B]);
    send = await apiFor(line, await line.start(), calls.tenant);
  }, 600_000);
  afterAll(() => line?.stop());

  it('calls the telephone at once, and tells what was heard and pressed', async () => {
    const says = (sound: typeof A) => [{ message: calls.message(sound) }];
    const flow = await calls.flow({
      start: 'ask',
      steps: {
        ask: { type: 'menu', prompt: says(A), keys: { 1: 'yes' }, timeout_seconds: 2, save_as: 'reply' },
        yes: { type: 'say', prompt: says(B) },
      },
    });
    await line.phones!.use([{ number: NUMBER, steps: [{ untilSilence: 300 }, { press: '1' }] }]);
    const begun = await send('POST', `/v1/flows/${flow}/try`, {
      number: NUMBER,
      trunk_id: calls.tenant.trunkId,
    });
    expect(begun).toMatchObject({ status: 201, json: { state: 'pending', test: false } });
    const heard = await line.phones!.untilEnded(NUMBER);
    const { sounds } = flowCall(heard, { steps: null } as FlowAttempt).heardAs(A, B);
    expect(sounds.map(({ is }) => is)).toEqual(['whole', 'whole']);
    await vi.waitFor(
      async () => {
        const { json } = await send('GET', `/v1/tries/${begun.json.id}`);
        expect(json).toMatchObject({
          state: 'answered',
          attempt: { disposition: 'answered', key: '1', hung_up_by: 'campanile' },
          steps: [{ step: 'ask', outcome: 'answered' }, { step: 'yes' }],
          answers: { reply: '1' },
        });
      },
      { timeout: 10_000, interval: 100 },
    );
  });
});
