import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { noise } from '../../src/lab/phone/noise.js';
import type { Step } from '../../src/lab/phone/script.js';
import { insertCampaignFixture, untilCompleted } from '../support/campaigns.js';
import { type FlowCalls, flowCalls } from '../support/flow-calls.js';
import { describeOnAsterisk, keptLog, type Line, startLine, testImage } from '../support/line.js';

const A = noise(0.5, 1);

describeOnAsterisk('values that Asterisk says with its own files', () => {
  let line: Line;
  let calls: FlowCalls;
  let prompts: string;
  const { log, lines } = keptLog('warn');
  beforeAll(async () => {
    prompts = join((await testImage()).root, 'usr/share/asterisk/sounds/en_US_f_Allison');
    line = await startLine({ phones: {} });
    calls = await flowCalls(line, [A]);
    await line.start({}, log);
  });
  afterAll(() => line.stop());

  /** A call that says a value, and how many milliseconds of it were heard. */
  async function say(part: object, value: string, script: Step[] = [], keys: object = {}) {
    const prompt = [{ message: calls.message(A) }, { ...part, value: '{v}' }];
    const steps = {
      a: { type: 'menu', prompt, keys: { 1: 'b' }, timeout_seconds: 1, repeats: 0, ...keys },
      b: { type: 'hangup' },
    };
    const call = await calls.call(await calls.flow({ start: 'a', steps }), script, { v: value });
    const heardMs = call.heard.stretches.reduce((sum, { ms }) => sum + ms, 0) - A.seconds * 1000;
    return { ...call, heardMs };
  }

  /** Milliseconds of Asterisk's prompts: GSM has 33 bytes for 20. */
  const lengthOf = (...names: string[]) =>
    names.reduce((sum, name) => sum + (statSync(join(prompts, `${name}.gsm`)).size / 33) * 20, 0);

  it.each([
    [
      'number',
      '1234',
      ['digits/1', 'digits/thousand', 'digits/2', 'digits/hundred', 'digits/30', 'digits/4'],
    ],
    ['digits', '+47 11', ['digits/4', 'digits/7', 'digits/1', 'digits/1']],
    ['characters', 'AB2', ['letters/a', 'letters/b', 'digits/2']],
    [
      'date',
      '2026-11-25',
      ['digits/mon-10', 'digits/20', 'digits/h-5', 'digits/2', 'digits/thousand', 'digits/20', 'digits/6'],
    ],
    ['money', '12.5', ['digits/12', 'digits/dollars', 'vm-and', 'digits/50']],
    ['time', '14:30', ['digits/2', 'digits/30', 'digits/p-m']],
  ])('are, as a %s, the prompts of %s', async (as, value, names) => {
    const { attempt, heardMs } = await say({ say: as }, value);
    expect(attempt.steps).toMatchObject([{ type: 'menu', outcome: 'timeout' }]);
    expect(Math.abs(heardMs - lengthOf(...names))).toBeLessThan(250);
  });

  it('are broken off by a key', async () => {
    const { steps, heardMs } = await say({ say: 'digits' }, '12345678901234567890', [
      { untilAudio: true },
      { wait: 2000 },
      { press: '1' },
    ]);
    expect(steps[0]).toMatchObject({ pressed: '1', outcome: 'answered' });
    expect(heardMs).toBeLessThan(4000);
  });

  it('are said with the English files where a language has none, as far as these go', async () => {
    const german = await say({ say: 'number', language: 'de' }, '1234');
    expect(german.steps[0]).toMatchObject({ outcome: 'timeout' });
    expect(german.heardMs).toBeGreaterThan(1000);
    lines.splice(0);
    const italian = await say({ say: 'datetime', language: 'it' }, '2026-11-25T14:30');
    expect(italian.steps[0]).toMatchObject({ outcome: 'failed' });
    await expect.poll(() => JSON.stringify(lines)).toContain('cannot say datetime in it');
    expect(JSON.stringify(lines)).toContain('asterisk-core-sounds');
  });

  it('refuse a contact whose field cannot be said, without a call', async () => {
    const flow = await calls.flow({
      start: 'a',
      steps: { a: { type: 'say', prompt: [{ say: 'date', value: '{v}' }] } },
    });
    const { pool } = line.database;
    const fields = { v: 'soon' };
    const id = await insertCampaignFixture(pool, calls.tenant, ['+12125550555'], { flowId: flow, fields });
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await untilCompleted(pool, [id], 30);
    const { rows } = await pool.query(
      `SELECT state, attempts, problem FROM contacts WHERE fields->>'v' = 'soon'`,
    );
    expect(rows).toEqual([
      { state: 'invalid', attempts: 0, problem: 'the field "v" cannot be said as date' },
    ]);
  });
});
