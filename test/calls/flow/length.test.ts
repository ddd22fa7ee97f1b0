import { expect, it } from 'vitest';
import { secondsOf } from '../../../src/calls/flow/length.js';
import { flowDefinition } from '../../../src/calls/flow/schema.js';

const ID = '01900000-0000-7000-8000-000000000000';
const flow = flowDefinition.parse({
  start: 'ask',
  steps: {
    ask: {
      type: 'menu',
      prompt: [{ message: ID }, { text: 'x'.repeat(30) }],
      no_key: [{ text: 'x'.repeat(15) }],
      keys: { 1: 'long' },
      repeats: 2,
      timeout_seconds: 4,
      on_timeout: 'sort',
    },
    long: { type: 'play', message: ID, next: 'long_too' },
    long_too: { type: 'record', save_as: 'r', max_seconds: 600, silence_seconds: null },
    sort: { type: 'branch', value: '{x}', cases: { a: 'bye' }, otherwise: 'leave' },
    leave: {
      type: 'record',
      prompt: [{ say: 'number', value: '7' }],
      save_as: 'r',
      max_seconds: 4,
      silence_seconds: 5,
    },
    bye: { type: 'hangup' },
  },
});

it('takes the longest way of who presses no key, with all that is asked again', () => {
  // Three times 10 s of audio, 2 s of speech and 4 s of waiting, twice 1 s in between; then 3 s and the 4 s that it records.
  expect(secondsOf(flow, new Map([[ID, 10]]))).toBe(3 * 16 + 2 + 7);
});
