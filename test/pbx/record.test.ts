import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Step } from '../../src/lab/phone/script.js';
import { freePort } from '../../src/lab/ports.js';
import type { Running } from '../../src/main.js';
import { attemptsOf, insertTenantFixture, type TenantFixture, untilCompleted } from '../support/campaigns.js';
import { insertFlowCampaign } from '../support/flows.js';
import { describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';
import { type Program, startProgram } from '../support/program.js';

const SAID_HZ = 900;
const said = (ms: number): Step => ({ say: { tone: SAID_HZ, ms } });

describeOnAsterisk('what a callee says at a record step', () => {
  let line: Line;
  let tenant: TenantFixture;
  let numbers = 2000;
  const running: (Running | Program)[] = [];

  beforeAll(async () => {
    line = await startLine({ phones: {} });
    const { pool } = line.database;
    tenant = await insertTenantFixture(pool, { ports: 50, pbxTrunk: 'phones', ...toneMessage(1) });
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
  });
  afterAll(() => line.stop());

  const start = async () => running.push(await line.start());
  const query = async (text: string, values: unknown[]) =>
    (await line.database.pool.query(text, values)).rows;
  const files = () => readdir(join(line.config.spoolDir, 'campanile/recordings'));

  /** A call to somebody who does `steps` at a record step with these settings; returns the campaign's id. */
  async function call(steps: Step[], settings: object = {}): Promise<{ campaign: string; callee: string }> {
    const callee = `+1212${numbers++}555`;
    await line.phones!.use([{ number: callee, steps }]);
    const flow = {
      start: 'ask',
      steps: {
        ask: { type: 'record', save_as: 'note', next: 'after', on_silence: 'nothing', ...settings },
        after: { type: 'play', message: tenant.messageId },
        nothing: { type: 'hangup' },
      },
    };
    const campaign = await insertFlowCampaign(line.database.pool, tenant, flow, [callee]);
    await line.database.pool.query(`SELECT pg_notify('campanile_due', '')`);
    return { campaign, callee };
  }

  async function outcomeOf(campaign: string) {
    await untilCompleted(line.database.pool, [campaign], 60);
    const [attempt] = await attemptsOf(line.database.pool, campaign);
    const [noted] = await query('SELECT steps, answers FROM attempts WHERE id = $1', [attempt!.id]);
    const recordings = await query('SELECT * FROM recordings WHERE attempt_id = $1', [attempt!.id]);
    return { attempt: attempt!, ...noted, recordings };
  }

  it('is kept as it was said, up to the key that ends it, and the flow goes on', async () => {
    await start();
    const { campaign } = await call([
      { untilAudio: true },
      { untilSilence: 200 },
      said(2000),
      { press: '#' },
    ]);
    const { attempt, steps, answers, recordings } = await outcomeOf(campaign);
    expect(recordings).toHaveLength(1);
    const [{ id, step, seconds, audio }] = recordings;
    expect({ step, campaign: recordings[0].campaign_id }).toEqual({ step: 'ask', campaign });
    expect(answers).toEqual({ note: id });
    expect(steps).toMatchObject([
      { step: 'ask', recording: id, recorded_seconds: seconds, pressed: [{ key: '#' }] },
      { step: 'after', heard_seconds: 1 },
    ]);
    expect(seconds).toBeGreaterThan(1.5);
    expect(seconds).toBeLessThan(2.5);
    expect(shareOf(SAID_HZ, audio)).toBeGreaterThan(0.8);
    expect(await files()).toEqual([]);
    expect(attempt).toMatchObject({ disposition: 'answered', hung_up_by: 'campanile' });
  });

  it('ends after so much silence, and at its limit', async () => {
    await start();
    const quiet = await call([said(1000), { silence: 8000 }], { silence_seconds: 2, beep: false });
    const { steps, recordings } = await outcomeOf(quiet.campaign);
    expect(recordings).toHaveLength(1);
    expect(recordings[0].seconds).toBeLessThan(4);
    expect(steps[1]).toMatchObject({ step: 'after' });
    const long = await call([said(6000)], { max_seconds: 2, beep: false });
    const cut = await outcomeOf(long.campaign);
    expect(cut.recordings[0].seconds).toBeGreaterThan(1.5);
    expect(cut.recordings[0].seconds).toBeLessThanOrEqual(2.1);
  });

  it('is null when nothing was said', async () => {
    await start();
    for (const steps of [[{ silence: 9000 }], []] satisfies Step[][]) {
      const { campaign } = await call(steps, { silence_seconds: 1, max_seconds: 3 });
      const outcome = await outcomeOf(campaign);
      expect(outcome.steps).toMatchObject([{ step: 'ask', outcome: 'silence' }, { step: 'nothing' }]);
      expect(outcome).toMatchObject({ recordings: [], answers: null });
      expect(await files()).toEqual([]);
    }
  });

  it('is kept when he hangs up in the middle', async () => {
    await start();
    const { campaign } = await call([said(1500), { hangUp: true }], { beep: false });
    const { attempt, steps, answers, recordings } = await outcomeOf(campaign);
    expect(recordings).toHaveLength(1);
    expect(recordings[0].seconds).toBeGreaterThan(1);
    expect(answers).toEqual({ note: recordings[0].id });
    expect(steps).toMatchObject([{ step: 'ask', outcome: 'hung_up', recording: recordings[0].id }]);
    expect(attempt.hung_up_by).toBe('callee');
    expect(await files()).toEqual([]);
  });

  it('is found after kill -9 in the middle of it', async () => {
    const listen = { host: '127.0.0.1', port: await freePort('tcp') };
    const program = await startProgram({ ...line.config, listen });
    running.push(program);
    const { campaign, callee } = await call([said(3000), { hangUp: true }], { beep: false });
    await expect.poll(async () => (await files()).length, { timeout: 20_000 }).toBe(1);
    await program.kill();
    await line.phones!.untilEnded(callee);
    await start();
    await untilCompleted(line.database.pool, [campaign], 30);
    await expect.poll(files, { timeout: 30_000 }).toEqual([]);
    const { recordings } = await outcomeOf(campaign);
    expect(recordings).toHaveLength(1);
    // To its end, not to the moment of the kill.
    expect(recordings[0].seconds).toBeGreaterThan(2.5);
    expect(shareOf(SAID_HZ, recordings[0].audio)).toBeGreaterThan(0.8);
  });
});

/** How much of a WAV file's power is at one frequency, from 0 to 1. */
function shareOf(hz: number, wav: Buffer): number {
  const turn = 2 * Math.cos((2 * Math.PI * hz) / 8000);
  let [there, all] = [0, 0];
  for (let at = 44; at + 1600 <= wav.length; at += 1600) {
    let [one, two] = [0, 0];
    for (let i = 0; i < 800; i += 1) {
      const sample = wav.readInt16LE(at + 2 * i);
      all += sample * sample;
      [one, two] = [sample + turn * one - two, one];
    }
    there += ((one * one + two * two - turn * one * two) * 2) / 800;
  }
  return there / all;
}
