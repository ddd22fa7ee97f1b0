import { afterAll, beforeAll, expect, it } from 'vitest';
import { compareBytes } from '../../src/lab/phone/compare.js';
import type { HeardCall } from '../../src/lab/phone/heard.js';
import { type Noise, noise } from '../../src/lab/phone/noise.js';
import type { Script, Step } from '../../src/lab/phone/script.js';
import {
  type AttemptRow,
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, type Line, startLine } from '../support/line.js';

const MESSAGE_SECONDS = 3;
const message = noise(MESSAGE_SECONDS, 1);

describeOnAsterisk('a phone that Campanile calls', () => {
  let line: Line;
  let dialled = 0;

  beforeAll(async () => {
    line = await startLine({ phones: {} });
    await line.start();
  });
  afterAll(() => line.stop());

  /** Campaigns with a message and a call each, all at once: what both sides say of each call. */
  async function calls(
    wanted: { sound: Noise; steps: readonly Step[] }[],
  ): Promise<{ heard: HeardCall; attempt: AttemptRow }[]> {
    const { pool } = line.database;
    const scripts: Script[] = wanted.map(({ steps }) => ({ number: `+1212${2000 + dialled++}555`, steps }));
    await line.phones!.use(scripts);
    const campaigns: string[] = [];
    for (const [i, { sound }] of wanted.entries()) {
      const tenant = await insertTenantFixture(pool, {
        pbxTrunk: 'phones',
        audio: sound.wav,
        sha256: sound.sha256,
      });
      campaigns.push(await insertCampaignFixture(pool, tenant, [scripts[i]!.number]));
    }
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await untilCompleted(pool, campaigns, 60);
    return Promise.all(
      campaigns.map(async (id, i) => ({
        heard: await line.phones!.untilEnded(scripts[i]!.number),
        attempt: (await attemptsOf(pool, id))[0]!,
      })),
    );
  }

  async function call(steps: readonly Step[]): Promise<{ heard: HeardCall; attempt: AttemptRow }> {
    return (await calls([{ sound: message, steps }]))[0]!;
  }

  it('hears the message byte for byte', async () => {
    const { heard, attempt } = await call([]);
    expect(heard).toMatchObject({ finalStatus: 200, endedBy: 'caller' });
    const [stretch, ...others] = heard.stretches;
    expect(others).toEqual([]);
    expect(compareBytes(stretch!.payload, message.payload)).toMatchObject({
      sounds: [{ is: 'whole' }],
      otherMs: 0,
    });
    expect(attempt).toMatchObject({ disposition: 'answered', heard_seconds: MESSAGE_SECONDS, key: null });
  });

  it('presses a key in the middle of it, and hears it cut there', async () => {
    const { heard, attempt } = await call([{ untilAudio: true }, { wait: 700 }, { press: '5' }]);
    const [stretch, ...others] = heard.stretches;
    expect(others).toEqual([]);
    expect(compareBytes(stretch!.payload, message.payload)).toMatchObject({
      sounds: [{ is: 'beginning', ms: stretch!.ms }],
      otherMs: 0,
    });
    expect(heard.pressed.map(({ key }) => key)).toEqual(['5']);
    expect(attempt).toMatchObject({ disposition: 'answered', key: '5', hung_up_by: 'campanile' });
    // Asterisk takes a key when it is let go; it was held for 100 ms.
    expect(stretch!.at + stretch!.ms).toBeGreaterThan(heard.pressed[0]!.at + 60);
    // What is recorded as heard is what was heard, but for the packet under way.
    expect(Math.abs(attempt.heard_seconds! * 1000 - stretch!.ms)).toBeLessThanOrEqual(40);
  });

  it('hangs up in the middle of it, and what it heard until then is recorded', async () => {
    const { heard, attempt } = await call([{ untilAudio: true }, { wait: 1200 }, { hangUp: true }]);
    expect(heard.endedBy).toBe('phone');
    const [stretch] = heard.stretches;
    expect(compareBytes(stretch!.payload, message.payload).sounds[0]!.is).toBe('beginning');
    expect(attempt).toMatchObject({ disposition: 'answered', hung_up_by: 'callee', key: null });
    const { pool } = line.database;
    const heardSeconds = async () => (await attemptsOf(pool, attempt.campaign_id))[0]!.heard_seconds;
    // Asterisk does not wait until it is written down.
    await expect.poll(heardSeconds, { timeout: 10_000 }).not.toBeNull();
    expect(Math.abs((await heardSeconds())! * 1000 - stretch!.ms)).toBeLessThanOrEqual(200);
  });

  it('hears its own message and is heard with its own key, twenty at once', async () => {
    const KEYS = '0123456789*#';
    const wanted = Array.from({ length: 20 }, (_, i) => ({
      sound: noise(2, i + 2),
      steps: [{ untilAudio: true as const }, { wait: 1000 }, { press: KEYS[i % KEYS.length]! }],
    }));
    const done = await calls(wanted);
    const up = done.map(({ heard }) => [heard.answeredAt!, heard.endedAt!] as const);
    const lastAnswer = Math.max(...up.map(([answered]) => answered));
    expect(up.filter(([, ended]) => ended > lastAnswer)).toHaveLength(20);
    for (const [i, { heard, attempt }] of done.entries()) {
      const received = heard.stretches[0]!.payload;
      expect(compareBytes(received, wanted[i]!.sound.payload)).toMatchObject({
        sounds: [{ is: 'beginning' }],
        otherMs: 0,
      });
      expect(compareBytes(received, wanted[(i + 1) % 20]!.sound.payload).sounds[0]!.is).toBe('different');
      expect(attempt.key).toBe(KEYS[i % KEYS.length]);
    }
  });
});
