import { expect, it } from 'vitest';
import { createRingingWatch } from '../../src/node/ringing.js';

const callId = '019387a0-0000-7000-8000-000000000001.019387a0-0000-7000-8000-000000000002';

/** A PBX on which the call has a channel, or none; and the time, in seconds. */
function pbx() {
  const state = { seconds: 0, up: true, waits: true, asked: 0, hungUp: 0 };
  const ask = async (command: string) => {
    state.asked += 1;
    if (command === 'core show channels concise') return state.up ? 'PJSIP/far-00000001!x!y\n' : '';
    if (command.startsWith('core show channel ')) return `CAMPANILE_CALL=${callId}\n`;
    state.hungUp += 1;
    return '';
  };
  const ringingFor = (seconds: number) => (state.waits && state.seconds >= seconds ? [callId] : []);
  return { state, run: createRingingWatch(ask, { ringingFor }, () => state.seconds * 1000) };
}

it('hangs up a call that rings for longer than any campaign lets it', async () => {
  const { state, run } = pbx();
  for (state.seconds = 0; state.seconds < 150; state.seconds += 10) expect(await run()).toBe(0);
  expect(state.asked).toBe(0);
  for (; state.seconds < 300; state.seconds += 10) expect(await run()).toBe(0);
  expect(await run()).toBe(1);
  expect(state.hungUp).toBe(1);
});

it('leaves alone who was answered, and who begins to ring only now', async () => {
  const { state, run } = pbx();
  state.up = false;
  for (; state.seconds < 1000; state.seconds += 10) expect(await run()).toBe(0);
  state.up = true;
  for (; state.seconds < 1140; state.seconds += 10) expect(await run()).toBe(0);
  state.waits = false;
  for (; state.seconds < 2000; state.seconds += 10) expect(await run()).toBe(0);
});

it('finds nobody up where Asterisk does not answer', async () => {
  const run = createRingingWatch(
    async () => {
      throw new Error('no Asterisk');
    },
    { ringingFor: () => [callId] },
  );
  expect(await run()).toBe(0);
});
