import { afterAll, beforeAll, expect, it } from 'vitest';
import { noise } from '../../src/lab/phone/noise.js';
import type { Step } from '../../src/lab/phone/script.js';
import { countersOf, insertCampaignFixture, untilCompleted } from '../support/campaigns.js';
import { type FlowCalls, flowCalls } from '../support/flow-calls.js';
import { describeOnAsterisk, type Line, startLine } from '../support/line.js';

const A = noise(1.5, 1);
const B = noise(1.2, 2);
const C = noise(1, 3);
const D = noise(0.8, 4);
const E = noise(0.6, 5);

/** Waits for the next prompt, and so many milliseconds into it. */
const into = (ms: number): Step[] => [{ untilAudio: true }, { wait: ms }];
const afterIt: Step = { untilSilence: 300 };

describeOnAsterisk('a flow, with a callee who listens and presses keys', () => {
  let line: Line;
  let calls: FlowCalls;
  let menu: string;
  let pin: string;

  beforeAll(async () => {
    line = await startLine({ phones: {} });
    calls = await flowCalls(line, [A, B, C, D, E]);
    await line.start();
    const says = (sound: typeof A) => [{ message: calls.message(sound) }];
    menu = await calls.flow({
      start: 'ask',
      opt_out_key: '9',
      steps: {
        ask: {
          type: 'menu',
          prompt: [...says(A), ...says(B)],
          keys: { 1: 'yes' },
          timeout_seconds: 1,
          repeats: 1,
          no_key: says(D),
          wrong_key: says(E),
          save_as: 'reply',
        },
        yes: { type: 'say', prompt: says(C) },
      },
    });
    pin = await calls.flow({
      start: 'pin',
      steps: {
        pin: {
          type: 'collect',
          prompt: says(A),
          min_digits: 4,
          max_digits: 4,
          timeout_seconds: 1,
          digit_seconds: 1,
          check: { equals: '{pin}' },
          secret: true,
          repeats: 1,
          wrong: says(E),
          next: 'in',
          on_wrong: 'out',
          save_as: 'given',
        },
        in: { type: 'say', prompt: says(B) },
        out: { type: 'say', prompt: says(D) },
      },
    });
  });
  afterAll(() => line.stop());

  it('takes a key in the first part of a prompt, and says no more of it', async () => {
    const { attempt, steps, heardAs } = await calls.call(menu, [...into(600), { press: '1' }]);
    expect(steps).toEqual([
      { step: 'ask', type: 'menu', pressed: '1', outcome: 'answered' },
      { step: 'yes', type: 'say' },
    ]);
    expect(attempt).toMatchObject({
      disposition: 'answered',
      answers: { reply: '1' },
      key: '1',
      hung_up_by: 'campanile',
    });
    const { sounds, otherMs } = heardAs(A, C);
    expect(sounds.map(({ is }) => is)).toEqual(['beginning', 'whole']);
    expect(otherMs).toBe(0);
    // What it says was heard is what was heard.
    expect(Math.abs(attempt.steps![0]!.heard_seconds! * 1000 - sounds[0]!.ms)).toBeLessThanOrEqual(40);
  });

  it('takes a key in the second part', async () => {
    const { steps, heardAs } = await calls.call(menu, [...into(1900), { press: '1' }]);
    expect(steps[0]).toMatchObject({ pressed: '1', outcome: 'answered' });
    expect(heardAs(A, B, C).sounds.map(({ is }) => is)).toEqual(['whole', 'beginning', 'whole']);
  });

  it('takes a key between prompts', async () => {
    const { steps, heardAs } = await calls.call(menu, [afterIt, { press: '1' }]);
    expect(steps[0]).toMatchObject({ pressed: '1', outcome: 'answered' });
    expect(heardAs(A, B, C)).toMatchObject({
      sounds: [{ is: 'whole' }, { is: 'whole' }, { is: 'whole' }],
      otherMs: 0,
    });
  });

  it('asks again who is silent, and then lets go', async () => {
    const { attempt, steps, heardAs } = await calls.call(menu, []);
    expect(steps).toEqual([{ step: 'ask', type: 'menu', outcome: 'timeout' }]);
    expect(attempt).toMatchObject({
      disposition: 'answered',
      answers: null,
      key: null,
      hung_up_by: 'campanile',
    });
    const { sounds, otherMs } = heardAs(A, B, D, A, B);
    expect(sounds.map(({ is }) => is)).toEqual(['whole', 'whole', 'whole', 'whole', 'whole']);
    expect(otherMs).toBe(0);
  });

  it('says that a key was wrong, and hears the right one in what it says then', async () => {
    const { steps, heardAs } = await calls.call(menu, [
      ...into(500),
      { press: '7' },
      // The next prompt follows at once: to the ear it is the same.
      { wait: 1100 },
      { press: '1' },
    ]);
    expect(steps[0]).toMatchObject({ pressed: '71', outcome: 'answered' });
    expect(heardAs(A, E, A, C).sounds.map(({ is }) => is)).toEqual([
      'beginning',
      'whole',
      'beginning',
      'whole',
    ]);
  });

  it('collects digits, begun in the prompt, and lets in who knows them', async () => {
    const { attempt, steps, heardAs } = await calls.call(pin, [...into(700), { press: '4711' }], {
      pin: '4711',
    });
    expect(steps).toEqual([
      { step: 'pin', type: 'collect', pressed: 'xxxx', digits: '****', outcome: 'answered' },
      { step: 'in', type: 'say' },
    ]);
    expect(attempt.answers).toEqual({ given: '****' });
    expect(heardAs(A, B).sounds.map(({ is }) => is)).toEqual(['beginning', 'whole']);
  });

  it('takes digits that are pressed as fast as a telephone can', async () => {
    const press: Step = { press: '4711', holdMs: 60, gapMs: 60 };
    const { steps } = await calls.call(pin, [afterIt, press], { pin: '4711' });
    expect(steps[0]).toMatchObject({ pressed: 'xxxx', outcome: 'answered' });
  });

  it('keeps out who does not know them', async () => {
    const { steps, heardAs } = await calls.call(
      pin,
      [...into(500), { press: '4712' }, ...into(900), { press: '1111' }],
      {
        pin: '4711',
      },
    );
    expect(steps).toEqual([
      { step: 'pin', type: 'collect', pressed: 'xxxxxxxx', digits: '****', outcome: 'wrong' },
      { step: 'out', type: 'say' },
    ]);
    expect(heardAs(A, E, A, D).sounds.map(({ is }) => is)).toEqual([
      'beginning',
      'whole',
      'beginning',
      'whole',
    ]);
  });

  it('ends with a hang-up in a prompt, while a key is waited for, and in the middle of digits', async () => {
    const inPrompt = await calls.call(menu, [...into(2000), { hangUp: true }]);
    expect(inPrompt.steps).toEqual([{ step: 'ask', type: 'menu', outcome: 'hung_up' }]);
    expect(inPrompt.attempt).toMatchObject({ disposition: 'answered', hung_up_by: 'callee' });
    expect(inPrompt.heardAs(A, B).sounds.map(({ is }) => is)).toEqual(['whole', 'beginning']);
    expect(Math.abs(inPrompt.attempt.heard_seconds! - 2)).toBeLessThan(0.15);

    const waiting = await calls.call(menu, [afterIt, { hangUp: true }]);
    expect(waiting.steps).toEqual([{ step: 'ask', type: 'menu', outcome: 'hung_up' }]);
    expect(waiting.attempt.heard_seconds).toBe(A.seconds + B.seconds);

    const digits = await calls.call(pin, [...into(400), { press: '47' }, { wait: 300 }, { hangUp: true }]);
    expect(digits.steps).toEqual([{ step: 'pin', type: 'collect', pressed: 'xx', outcome: 'hung_up' }]);
  });

  it('does the same for a hundred callees at once, and mixes nothing up', async () => {
    const scripts: Step[][] = [
      [...into(600), { press: '1' }],
      [afterIt, { press: '1' }],
      [...into(1900), { press: '1' }],
      [...into(1000), { hangUp: true }],
    ];
    const wanted = [
      { steps: [{ pressed: '1', outcome: 'answered' }, { step: 'yes' }], sounds: [A, C] },
      { steps: [{ pressed: '1', outcome: 'answered' }, { step: 'yes' }], sounds: [A, B, C] },
      { steps: [{ pressed: '1', outcome: 'answered' }, { step: 'yes' }], sounds: [A, B, C] },
      { steps: [{ outcome: 'hung_up' }], sounds: [A] },
    ];
    const all = await calls.callMany(menu, scripts, 100);
    expect(all).toHaveLength(100);
    for (const [i, call] of all.entries()) {
      const { steps, sounds } = wanted[i % wanted.length]!;
      expect(call.steps, `call ${i}`).toMatchObject(steps);
      const { sounds: heard, otherMs } = call.heardAs(...sounds);
      expect(otherMs).toBe(0);
      expect(heard.every(({ is }) => is !== 'different')).toBe(true);
    }
  });

  it('writes who wants no more calls on the list of opt-outs before it hangs up, also for contacts that wait', async () => {
    const call = await calls.call(menu, [...into(2000), { press: '9' }]);
    expect(call.steps).toEqual([{ step: 'ask', type: 'menu', pressed: '9', outcome: 'opted_out' }]);
    expect(call.attempt).toMatchObject({ disposition: 'answered', hung_up_by: 'campanile', key: '9' });
    const { pool } = line.database;
    const { rows } = await pool.query(
      `SELECT n.number, n.added_at FROM suppressed_numbers n JOIN suppression_lists l ON l.id = n.list_id WHERE l.opt_outs`,
    );
    expect(rows).toEqual([{ number: call.attempt.number, added_at: expect.any(Date) }]);
    expect(rows[0].added_at.getTime()).toBeLessThan(call.heard.endedAt!);
    // At once: no longer than a moment after the key.
    expect(call.heardAs(A, B).sounds[1]!.ms).toBeLessThan(1000);
    // Who waits in another campaign is not called any more.
    const other = await insertCampaignFixture(pool, calls.tenant, [call.attempt.number]);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await untilCompleted(pool, [other], 30);
    expect((await countersOf(pool, other)).kept).toMatchObject({ suppressed: 1, attempts: 0 });
  });

  it('lets who is called with a message only do the same, with the key that the campaign names', async () => {
    const call = await calls.callWithMessage({ optOutKey: '8' }, [...into(700), { press: '8' }]);
    expect(call.steps).toEqual([{ step: 'message', type: 'play', pressed: '8', outcome: 'opted_out' }]);
    const { rows } = await line.database.pool.query('SELECT FROM suppressed_numbers WHERE number = $1', [
      call.attempt.number,
    ]);
    expect(rows).toHaveLength(1);
  });
});
