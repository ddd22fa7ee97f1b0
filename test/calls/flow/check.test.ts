import { describe, expect, it } from 'vitest';
import { checkFlow, MOST_CHARACTERS, MOST_STEPS } from '../../../src/calls/flow/check.js';
import { flowDefinition } from '../../../src/calls/flow/schema.js';
import { destinationsOf, messagesOf, neededFields } from '../../../src/calls/flow/texts.js';

const ID = '01900000-0000-7000-8000-000000000000';
const parse = (flow: object) => flowDefinition.parse({ start: 'one', ...flow });
const problems = (flow: object) => checkFlow(parse(flow));
const fields = (flow: object) => problems(flow).map(({ field }) => field);
/** Of a flow of one step. */
const ofStep = (step: object, more: object = {}) => problems({ steps: { one: step }, ...more });

const say = (text = 'Hello', next?: string) => ({
  type: 'say',
  prompt: [{ text }],
  ...(next === undefined ? {} : { next }),
});
const collect = (more: object = {}) => ({
  type: 'collect',
  prompt: [{ text: 'Your code' }],
  max_digits: 4,
  save_as: 'code',
  ...more,
});
const confirm = (more: object = {}) => ({
  prompt: [{ text: 'You pressed' }, { say: 'digits', value: '{digits}' }],
  ...more,
});

describe('a flow may be saved', () => {
  it('that says, asks again, collects, and ends', () => {
    expect(
      problems({
        start: 'ask',
        opt_out_key: '9',
        steps: {
          ask: {
            type: 'menu',
            prompt: [{ text: 'Dear {first_name|neighbour}' }, { message: ID }],
            keys: { 1: 'thanks', '#': 'ask' },
            on_wrong_key: 'ask',
            on_timeout: 'bye',
            save_as: 'reply',
          },
          thanks: { type: 'say', prompt: [{ say: 'characters', value: '{reply}' }], next: 'ask_staff' },
          ask_staff: { type: 'transfer', destination: ID, on_failed: 'bye' },
          bye: { type: 'hangup' },
        },
      }),
    ).toEqual([]);
  });

  it('in which two steps keep something under one name', () => {
    const one = collect({ next: 'two' });
    expect(problems({ steps: { one, two: collect() } })).toEqual([]);
  });
});

describe('a flow is refused', () => {
  it('for steps that there are not, also those that every object seems to have', () => {
    expect(problems({ steps: { one: say('x', 'constructor') } })).toEqual([
      {
        field: '/steps/one/next',
        message: 'names the step constructor, which there is not: add it, or name another',
      },
    ]);
    expect(fields({ start: 'tostring', steps: { one: say() } })).toEqual(['/start']);
  });

  it('for a case with signs that a pointer writes otherwise', () => {
    const branch = { type: 'branch', value: '{x}', cases: { 'a/b~c': 'gone' } };
    expect(ofStep(branch).map(({ field }) => field)).toEqual(['/steps/one/cases/a~1b~0c']);
  });

  it('for a circle through nothing that a callee does, with the steps that it goes through', () => {
    const steps = { one: say('x', 'two'), two: { type: 'record', save_as: 'r', next: 'one' } };
    expect(problems({ steps })).toEqual([
      {
        field: '/steps/two/next',
        message:
          'goes round for ever with who presses no key (one, two, one): lead to a step that ends, or leave it out to end the call',
      },
    ]);
  });

  it('for a menu without keys', () => {
    expect(ofStep({ type: 'menu', prompt: [{ text: 'x' }], keys: {} })).toEqual([
      { field: '/steps/one/keys', message: 'is empty: name at least one key, or make it a say' },
    ]);
  });

  it('for more digits at least than at most', () => {
    expect(ofStep(collect({ min_digits: 5 })).map(({ field }) => field)).toEqual(['/steps/one/min_digits']);
    expect(ofStep(collect({ min_digits: 4 }))).toEqual([]);
  });

  it.each([
    [{ equals: '12345' }, ['/steps/one/check/equals']],
    [{ equals: 'abc' }, ['/steps/one/check/equals']],
    [{ equals: '1234' }, []],
    [{ equals: '{pin}' }, []],
    [{ one_of: ['12', '12345', '{pin}', ''] }, ['/steps/one/check/one_of/1', '/steps/one/check/one_of/3']],
    [{ at_least: 10, at_most: 9 }, ['/steps/one/check/at_least']],
    [{ at_least: 9, at_most: 9 }, []],
  ])('for a check that nobody can meet: %j', (check, expected) => {
    expect(ofStep(collect({ check })).map(({ field }) => field)).toEqual(expected);
  });

  it('for a yes that is a no', () => {
    const yes = confirm({ yes: '3', no: '3' });
    expect(ofStep(collect({ confirm: yes })).map(({ field }) => field)).toEqual(['/steps/one/confirm/no']);
  });

  it('for a key that ends a recording twice', () => {
    const record = { type: 'record', save_as: 'r', terminators: ['#', '1', '#'] };
    expect(ofStep(record)).toEqual([{ field: '/steps/one/terminators/2', message: 'names # twice' }]);
  });

  it.each([
    ['9', { type: 'menu', prompt: [{ text: 'x' }], keys: { 9: 'one', 1: 'one' } }, ['/steps/one/keys/9']],
    ['#', { type: 'record', save_as: 'r' }, ['/steps/one/terminators/0']],
    ['#', collect(), ['/steps/one/terminator']],
    ['#', collect({ terminator: null }), []],
    ['*', collect({ confirm: confirm({ yes: '*' }) }), ['/steps/one/confirm/yes']],
    ['2', collect({ confirm: confirm() }), ['/steps/one/confirm/no', '/steps/one']],
    ['5', collect(), ['/steps/one']],
    ['*', collect(), []],
  ])('for what is asked with the opt-out key %s: %j', (opt_out_key, step, expected) => {
    expect(ofStep(step, { opt_out_key }).map(({ field }) => field)).toEqual(expected);
  });

  it('for speech that names what is known only in the call', () => {
    const kept = collect({ next: 'two' });
    const two = say('You said {code}, {digits}, {call.key|none}, {first_name}');
    expect(problems({ steps: { one: kept, two } })).toEqual(
      ['code', 'digits', 'call.key'].map((name) => ({
        field: '/steps/two/prompt/0/text',
        message: `is spoken before the call, when {${name}} is not known yet: use a say part instead, such as {"say": "${name === 'digits' ? 'digits' : 'characters'}", "value": "{${name}}"}`,
      })),
    );
    const spoken = collect({ confirm: { prompt: [{ text: 'You pressed {digits}' }] } });
    expect(ofStep(spoken).map(({ field }) => field)).toEqual(['/steps/one/confirm/prompt/0/text']);
  });

  it.each([
    { type: 'set', values: { name: 'x' } },
    { type: 'webhook', url: 'https://example.com/', save: ['name'] },
    { type: 'record', save_as: 'name' },
    { type: 'transfer', destination: ID, save_as: 'name' },
  ])('also where %j keeps it', (step) => {
    const two = say('Dear {name}');
    expect(fields({ steps: { one: { ...step, next: 'two' }, two } })).toEqual(['/steps/two/prompt/0/text']);
  });

  it('for digits that nobody is asked to confirm, and for what is kept as digits', () => {
    const branch = { type: 'branch', value: '{digits}', cases: {} };
    expect(ofStep(branch).map(({ field }) => field)).toEqual(['/steps/one/value']);
    expect(ofStep(collect({ save_as: 'digits' })).map(({ field }) => field)).toEqual(['/steps/one/save_as']);
  });

  it('for something of the call that there is not', () => {
    const branch = (value: string) => ({ type: 'branch', value, cases: {} });
    expect(ofStep(branch('{call.machine}{call.key}{call.number}{call.attempt}'))).toEqual([]);
    expect(ofStep(branch('{call.weather}'))).toEqual([
      {
        field: '/steps/one/value',
        message:
          'names {call.weather}, which is none of {call.key}, {call.machine}, {call.number}, {call.attempt}',
      },
    ]);
  });

  it('for more steps than it may have, and for more text', () => {
    const chain = (count: number) => {
      const names = Array.from({ length: count }, (_, i) => `s${i}`);
      return {
        start: 's0',
        steps: Object.fromEntries(names.map((name, i) => [name, say('x', names[i + 1])])),
      };
    };
    expect(problems(chain(MOST_STEPS))).toEqual([]);
    expect(fields(chain(MOST_STEPS + 1))).toEqual(['/steps']);
    const long = { type: 'say', prompt: Array.from({ length: 20 }, () => ({ text: 'x'.repeat(2000) })) };
    const steps = (count: number) => ({
      one: { type: 'branch', value: '', cases: Object.fromEntries(names(count).map((n) => [n, n])) },
      ...Object.fromEntries(names(count).map((n) => [n, long])),
    });
    const names = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`);
    const most = Math.floor(MOST_CHARACTERS / 42_000);
    expect(problems({ steps: steps(most) })).toEqual([]);
    expect(fields({ steps: steps(most + 1) })).toEqual(['/']);
  });
});

describe('what a flow needs', () => {
  const flow = parse({
    start: 'hear',
    steps: {
      hear: { type: 'play', message: ID, next: 'ask' },
      ask: collect({
        prompt: [
          { text: 'Dear {last_name}, of {city|here}' },
          { message: ID.replace('000000000000', '000000000001') },
        ],
        check: { equals: '{pin}' },
        confirm: confirm(),
        next: 'sort',
      }),
      sort: {
        type: 'branch',
        value: '{code}{call.key}{tier:number}',
        cases: { gold: 'staff' },
        otherwise: 'note',
      },
      staff: { type: 'transfer', destination: ID },
      note: { type: 'set', values: { sum: '{amount}', copy: '{sum}' } },
    },
  });

  it('are the fields that it names without a default and does not make itself', () => {
    expect(neededFields(flow)).toEqual(['amount', 'last_name', 'pin', 'tier']);
  });

  it('are the messages and destinations that it names, each with its place', () => {
    expect(messagesOf(flow).map(({ at }) => at.join('/'))).toEqual([
      'steps/hear/message',
      'steps/ask/prompt/1/message',
    ]);
    expect(destinationsOf(flow)).toEqual([{ id: ID, at: ['steps', 'staff', 'destination'] }]);
  });
});
