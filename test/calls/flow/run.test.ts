import { describe, expect, it } from 'vitest';
import { walk } from './script.js';

const HELLO = '019387a0-0000-7000-8000-000000000001';
const say = (text: string) => [{ text }];
const pressed = (...keys: string[]) => keys.map((key) => ({ at: '', key }));

const menu = {
  start: 'ask',
  steps: {
    ask: {
      type: 'menu',
      prompt: say('Press 1 or 2'),
      keys: { 1: 'yes', 2: 'no' },
      no_key: say('Sorry?'),
      wrong_key: say('Not that one'),
      on_timeout: 'gone',
      on_wrong_key: 'lost',
      save_as: 'reply',
    },
    yes: { type: 'say', prompt: say('Yes it is') },
    no: { type: 'say', prompt: say('No then') },
    gone: { type: 'say', prompt: say('Good bye') },
    lost: { type: 'say', prompt: say('Call us') },
  },
};

const pin = (more: object = {}) => ({
  start: 'pin',
  opt_out_key: '*',
  steps: {
    pin: {
      type: 'collect',
      prompt: say('Your PIN'),
      min_digits: 4,
      max_digits: 4,
      repeats: 1,
      wrong: say('Wrong'),
      on_timeout: 'bye',
      on_wrong: 'bye',
      next: 'in',
      save_as: 'pin',
      ...more,
    },
    in: { type: 'say', prompt: say('Come in') },
    bye: { type: 'say', prompt: say('Good bye') },
  },
});

describe('a flow', () => {
  it('says one step after the other and ends', async () => {
    const { heard, steps, error } = await walk({
      start: 'hello',
      steps: {
        hello: { type: 'play', message: HELLO, next: 'after' },
        after: { type: 'say', prompt: say('Bye') },
      },
    });
    expect(heard).toEqual([HELLO, 'Bye']);
    expect(steps).toEqual([
      { step: 'hello', type: 'play', heard_seconds: 1 },
      { step: 'after', type: 'say', heard_seconds: 1 },
    ]);
    expect(error).toBeNull();
  });

  it('writes keys down that mean nothing where it only speaks, and goes on', async () => {
    const flow = {
      start: 'a',
      steps: { a: { type: 'say', prompt: say('Long'), next: 'b' }, b: { type: 'hangup' } },
    };
    const { steps } = await walk(flow, [{ during: ['4', '5'], last: null }]);
    expect(steps).toEqual([
      { step: 'a', type: 'say', heard_seconds: 1, pressed: pressed('4', '5') },
      { step: 'b', type: 'hangup' },
    ]);
  });

  it('goes on to the next step at any key where the step says so', async () => {
    const flow = { start: 'a', steps: { a: { type: 'play', message: HELLO, any_key_ends: true } } };
    const { steps } = await walk(flow, ['7']);
    expect(steps).toEqual([
      { step: 'a', type: 'play', heard_seconds: 1, pressed: pressed('7'), outcome: 'key' },
    ]);
  });

  it('ends where the callee hangs up in a prompt, and writes down how far it was', async () => {
    const { steps, heard, error } = await walk(menu, ['hangs up']);
    expect(heard).toEqual(['Press 1 or 2']);
    expect(steps).toEqual([{ step: 'ask', type: 'menu', heard_seconds: 0.5, outcome: 'hung_up' }]);
    expect(error).toBeNull();
  });

  it('ends where the callee hangs up while a key is waited for', async () => {
    const { steps, error } = await walk(menu, [null, 'hangs up']);
    expect(steps).toEqual([{ step: 'ask', type: 'menu', heard_seconds: 1, outcome: 'hung_up' }]);
    expect(error).toBeNull();
  });

  it('that the callee left when asked again was left, not timed out', async () => {
    const { steps } = await walk(menu, [null, null, 'hangs up']);
    expect(steps[0]).toMatchObject({ heard_seconds: 1.5, outcome: 'hung_up' });
  });

  it('ends after five hundred steps, whatever the callee goes on pressing', async () => {
    const flow = {
      start: 'ask',
      steps: { ask: { type: 'menu', prompt: say('Again?'), keys: { 1: 'ask' } } },
    };
    const { steps, error } = await walk(flow, Array(1000).fill('1'));
    expect(steps).toHaveLength(500);
    expect(error).toBeNull();
  });
});

describe('a menu', () => {
  it('takes a key while it speaks, and keeps it', async () => {
    const { heard, steps, answers } = await walk(menu, ['2']);
    expect(heard).toEqual(['Press 1 or 2', 'No then']);
    expect(steps[0]).toEqual({
      step: 'ask',
      type: 'menu',
      heard_seconds: 1,
      pressed: pressed('2'),
      outcome: 'answered',
    });
    expect(answers).toEqual({ reply: '2' });
  });

  it('takes a key after it has spoken', async () => {
    const { heard } = await walk(menu, [null, '1']);
    expect(heard).toEqual(['Press 1 or 2', '(5 s)', 'Yes it is']);
  });

  it('asks again when no key came, and then gives up', async () => {
    const { heard, steps } = await walk(menu);
    expect(heard).toEqual(['Press 1 or 2', '(5 s)', 'Sorry?', 'Press 1 or 2', '(5 s)', 'Good bye']);
    expect(steps[0]).toEqual({ step: 'ask', type: 'menu', heard_seconds: 2, outcome: 'timeout' });
  });

  it('asks again after a wrong key, and then gives up; all keys are written down', async () => {
    const { heard, steps, answers } = await walk(menu, ['8', '9']);
    expect(heard).toEqual(['Press 1 or 2', 'Not that one', 'Press 1 or 2', 'Call us']);
    expect(steps[0]).toEqual({
      step: 'ask',
      type: 'menu',
      heard_seconds: 2,
      pressed: pressed('8', '9'),
      outcome: 'wrong',
    });
    expect(answers).toEqual({});
  });

  it('ends the call where nothing is said to follow', async () => {
    const flow = { start: 'ask', steps: { ask: { type: 'menu', prompt: say('?'), keys: {}, repeats: 0 } } };
    expect((await walk(flow)).heard).toEqual(['?', '(5 s)']);
  });
});

describe('digits', () => {
  it('are collected up to the most, and kept', async () => {
    const { heard, steps, answers } = await walk(pin(), ['1', '2', '3', '4', '5']);
    expect(heard).toEqual(['Your PIN', '(3 s)', '(3 s)', '(3 s)', 'Come in']);
    expect(steps[0]).toMatchObject({
      digits: '1234',
      outcome: 'answered',
      pressed: pressed('1', '2', '3', '4'),
    });
    expect(answers).toEqual({ pin: '1234' });
  });

  it('end at the terminator and at a pause; too few are wrong', async () => {
    const few = pin({ min_digits: 1, max_digits: 10 });
    expect((await walk(few, ['1', '2', '#'])).answers).toEqual({ pin: '12' });
    expect((await walk(few, [null, '1', '2', null])).answers).toEqual({ pin: '12' });
    const { heard, answers } = await walk(pin(), ['1', '#', null, '2', '#']);
    expect(heard).toEqual(['Your PIN', '(3 s)', 'Wrong', 'Your PIN', '(5 s)', '(3 s)', 'Good bye']);
    expect(answers).toEqual({});
  });

  it('are compared with what the contact has; a contact without it is let in by nothing', async () => {
    const checked = pin({ check: { equals: '{pin}' }, repeats: 0, save_as: 'given' });
    const fields = { pin: '4711' };
    expect((await walk(checked, ['4', '7', '1', '1'], { fields })).heard.at(-1)).toBe('Come in');
    expect((await walk(checked, ['4', '7', '1', '2'], { fields })).heard.at(-1)).toBe('Good bye');
    expect((await walk(checked, ['#'])).heard.at(-1)).toBe('Good bye');
    const listed = pin({ check: { one_of: ['1111', '{pin}'] }, repeats: 0, save_as: 'given' });
    expect((await walk(listed, ['4', '7', '1', '1'], { fields })).heard.at(-1)).toBe('Come in');
    const ranged = pin({ check: { at_least: 1000, at_most: 1999 }, repeats: 0 });
    expect((await walk(ranged, ['1', '9', '9', '9'])).heard.at(-1)).toBe('Come in');
    expect((await walk(ranged, ['2', '0', '0', '0'])).heard.at(-1)).toBe('Good bye');
  });

  it('are spoken back, and asked for again when they are not confirmed', async () => {
    const confirmed = pin({ confirm: { prompt: [{ say: 'digits', value: '{digits}' }] } });
    const acts = ['1', '2', '3', '4', '2', '5', '6', '7', '8', '1'] as const;
    const { heard, answers } = await walk(confirmed, [...acts]);
    expect(heard.filter((words) => words.startsWith('digits'))).toEqual(['digits: 1234', 'digits: 5678']);
    expect(answers).toEqual({ pin: '5678' });
  });

  it('that are secret are stars wherever they are kept', async () => {
    const checked = pin({ secret: true, check: { equals: '{code}' }, repeats: 0 });
    const { steps, answers } = await walk(checked, ['4', '7', '1', '1'], { fields: { code: '4711' } });
    expect(steps[0]).toMatchObject({ digits: '****', pressed: pressed('x', 'x', 'x', 'x') });
    expect(answers).toEqual({ pin: '****' });
    expect(JSON.stringify(steps)).not.toMatch(/[47]/);
  });

  it('that are secret are stars also where a branch compares them or they are kept under another name', async () => {
    const asked = pin({ secret: true, next: 'copy' });
    const flow = {
      ...asked,
      steps: {
        ...asked.steps,
        copy: { type: 'set', values: { code: 'a{pin}b', again: '{code}', plain: 'x' }, next: 'which' },
        which: { type: 'branch', value: '{again}', cases: { a4711b: 'end' } },
        end: { type: 'hangup' },
      },
    };
    const { steps, answers } = await walk(flow, ['4', '7', '1', '1']);
    expect(steps.map(({ step }) => step)).toEqual([steps[0]!.step, 'copy', 'which', 'end']);
    expect(answers).toEqual({ pin: '****', code: '******', again: '******', plain: 'x' });
    expect(steps[2]).toMatchObject({ outcome: 'secret' });
    expect(JSON.stringify([steps, answers])).not.toContain('4711');
  });
});

describe('the opt-out key', () => {
  it('ends the call in any prompt, when the wish is written down', async () => {
    let committed = false;
    const optOut = async () => {
      await new Promise(setImmediate);
      committed = true;
    };
    const { heard, steps, optedOut } = await walk({ ...menu, opt_out_key: '9' }, ['9'], { optOut });
    expect(heard).toEqual(['Press 1 or 2']);
    expect(steps).toEqual([
      { step: 'ask', type: 'menu', heard_seconds: 1, pressed: pressed('9'), outcome: 'opted_out' },
    ]);
    expect([committed, optedOut]).toEqual([true, true]);
  });

  it('is heard while a key is waited for, in the middle of digits and while it only speaks', async () => {
    expect((await walk({ ...menu, opt_out_key: '9' }, [null, '9'])).optedOut).toBe(true);
    expect((await walk(pin(), ['1', '2', '*'])).optedOut).toBe(true);
    const flow = { start: 'a', opt_out_key: '9', steps: { a: { type: 'say', prompt: say('Long') } } };
    expect((await walk(flow, ['9'])).optedOut).toBe(true);
  });

  it('is told of as what failed when the wish could not be written down', async () => {
    const optOut = () => Promise.reject(new Error('no database'));
    const { steps, optedOut, error } = await walk({ ...menu, opt_out_key: '9' }, ['9'], { optOut });
    expect(steps[0]).toMatchObject({ outcome: 'failed' });
    expect(optedOut).toBe(false);
    expect(error).toMatchObject({ message: 'no database' });
  });

  it('is a step of its own too', async () => {
    const flow = { ...menu, steps: { ...menu.steps, yes: { type: 'opt_out' } } };
    const { steps, optedOut } = await walk(flow, ['1']);
    expect(steps[1]).toEqual({ step: 'yes', type: 'opt_out', outcome: 'opted_out' });
    expect(optedOut).toBe(true);
  });
});

describe('the other steps', () => {
  const after = { after: { type: 'say', prompt: say('Then') }, else: { type: 'say', prompt: say('Else') } };

  it('branch on a field, a key and what is known of the call', async () => {
    const on = (value: string) => ({
      start: 'b',
      steps: {
        b: { type: 'branch', value, cases: { machine: 'after', 7: 'after' }, otherwise: 'else' },
        ...after,
      },
    });
    expect((await walk(on('{call.machine}'), [], { call: { machine: 'machine' } })).heard).toEqual(['Then']);
    expect((await walk(on('{call.machine}'), [], { call: { machine: 'person' } })).heard).toEqual(['Else']);
    expect((await walk(on('{kind}'), [], { fields: { kind: '7' } })).heard).toEqual(['Then']);
    expect((await walk(on('{constructor}'))).heard).toEqual(['Else']);
    const asked = {
      start: 'ask',
      steps: { ...on('{call.key}').steps, ask: { type: 'menu', prompt: say('?'), keys: { 7: 'b' } } },
    };
    expect((await walk(asked, ['7'])).heard).toEqual(['?', 'Then']);
  });

  it('set values, which later steps and the tenant see', async () => {
    const flow = {
      start: 's',
      steps: {
        s: { type: 'set', values: { who: '{name|nobody}', twice: '{name}{name}' }, next: 'b' },
        b: { type: 'branch', value: '{who}', cases: { Ann: 'after' }, otherwise: 'else' },
        ...after,
      },
    };
    const { answers, heard } = await walk(flow, [], { fields: { name: 'Ann' } });
    expect(answers).toEqual({ who: 'Ann', twice: 'AnnAnn' });
    expect(heard).toEqual(['Then']);
    expect((await walk(flow)).answers).toEqual({ who: 'nobody', twice: '' });
  });

  it('ask the tenant’s server, keep what was named of its answer, and go on when it fails', async () => {
    const flow = {
      start: 'w',
      steps: {
        w: { type: 'webhook', url: 'https://example.com', save: ['slot'], next: 'after', on_fail: 'else' },
        ...after,
      },
    };
    const got = await walk(flow, [], { asked: () => ({ slot: '3', other: 'x' }) });
    expect(got).toMatchObject({ heard: ['Then'], answers: { slot: '3' } });
    expect(got.steps[0]).toEqual({ step: 'w', type: 'webhook', outcome: 'answered' });
    const failed = await walk(flow);
    expect(failed.heard).toEqual(['Else']);
    expect(failed.steps[0]).toMatchObject({ outcome: 'failed' });
  });

  it('record, and tell silence apart', async () => {
    const flow = {
      start: 'r',
      steps: {
        r: { type: 'record', prompt: say('Speak'), save_as: 'note', next: 'after', on_silence: 'else' },
        ...after,
      },
    };
    const got = await walk(flow, [null], {
      recorded: { id: 'id', seconds: 4, key: '#', hungUp: false },
    });
    expect(got).toMatchObject({ heard: ['Speak', 'Then'], answers: { note: 'id' } });
    expect(got.steps[0]).toMatchObject({ recording: 'id', recorded_seconds: 4, pressed: pressed('#') });
    expect((await walk(flow)).heard).toEqual(['Speak', 'Else']);
    const recorded = { id: 'id', seconds: 2, key: null, hungUp: true };
    const left = await walk(flow, [null], { recorded });
    expect(left).toMatchObject({ heard: ['Speak'], answers: { note: 'id' }, error: null });
    expect(left.steps).toMatchObject([{ recording: 'id', recorded_seconds: 2, outcome: 'hung_up' }]);
  });

  it('transfer, and go on by what came of it', async () => {
    const flow = {
      start: 't',
      steps: {
        t: {
          type: 'transfer',
          destination: HELLO,
          next: 'after',
          on_full: 'full',
          on_failed: 'else',
          save_as: 'staff',
        },
        full: { type: 'say', prompt: say('Full') },
        ...after,
      },
    };
    for (const [outcome, words] of [
      ['connected', 'Then'],
      ['full', 'Full'],
      ['busy', 'Else'],
      ['no_answer', 'Else'],
    ] as const) {
      const talkedSeconds = outcome === 'connected' ? 9 : null;
      const transferred = { outcome, talkedSeconds, hungUp: false };
      const { heard, answers, steps } = await walk(flow, [], { transferred });
      expect(heard).toEqual([words]);
      expect(answers).toEqual({ staff: outcome });
      expect(steps[0]).toMatchObject({ outcome, ...(talkedSeconds ? { talked_seconds: 9 } : {}) });
    }
    // Nothing more is said to whoever is gone.
    for (const outcome of ['connected', 'abandoned'] as const) {
      const left = await walk(flow, [], { transferred: { outcome, talkedSeconds: null, hungUp: true } });
      expect(left).toMatchObject({
        heard: [],
        answers: { staff: outcome },
        steps: [{ outcome }],
        error: null,
      });
    }
  });
});
