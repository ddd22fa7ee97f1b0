import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { codecOf } from '../../src/lab/phone/codec.js';
import type { HeardCall } from '../../src/lab/phone/heard.js';
import type { Step } from '../../src/lab/phone/script.js';
import { pcmOfWav } from '../../src/lab/phone/sounds.js';
import { renderWav } from '../../src/messages/wav.js';
import {
  type AttemptRow,
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, type Line, startLine } from '../support/line.js';

const MESSAGE_SECONDS = 3;
const message = noise(MESSAGE_SECONDS);
const payload = codecOf('PCMU').encode(pcmOfWav(message));

/** A WAV file like no other, so that what was heard of it cannot be mistaken. */
function noise(seconds: number): Buffer {
  const samples = Buffer.alloc(seconds * 16_000);
  let state = 1;
  for (let i = 0; i < samples.length; i += 2) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    samples.writeInt16LE((state >> 17) - 8192, i);
  }
  return renderWav(samples);
}

describeOnAsterisk('a phone that the real Asterisk calls', () => {
  let line: Line;
  let tenant: TenantFixture;
  let dialled = 0;

  beforeAll(async () => {
    line = await startLine({ phones: {} });
    const sha256 = createHash('sha256').update(message).digest('hex');
    tenant = await insertTenantFixture(line.database.pool, {
      ports: 20,
      pbxTrunk: 'phones',
      audio: message,
      sha256,
    });
    await line.start();
  });
  afterAll(() => line.stop());

  /** A campaign's call to a phone that takes `steps`: what both sides say of it. */
  async function call(steps: Step[]): Promise<{ heard: HeardCall; attempt: AttemptRow }> {
    const { pool } = line.database;
    const number = `+1212${2000 + dialled++}555`;
    await line.phones!.use([{ number, steps }]);
    const id = await insertCampaignFixture(pool, tenant, [number]);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    const heard = await line.phones!.untilEnded(number);
    await untilCompleted(pool, [id], 30);
    return { heard, attempt: (await attemptsOf(pool, id))[0]! };
  }

  it('hears the message byte for byte', async () => {
    const { heard, attempt } = await call([]);
    expect(heard).toMatchObject({ finalStatus: 200, endedBy: 'caller' });
    expect(heard.stretches).toHaveLength(1);
    const [{ payload: received }] = heard.stretches as [HeardCall['stretches'][0]];
    // Asterisk takes the header of 44 bytes for sound, and so leaves out as much at the end.
    expect(received.equals(payload.subarray(0, payload.length - 22))).toBe(true);
    expect(attempt).toMatchObject({ disposition: 'answered', heard_seconds: MESSAGE_SECONDS });
  });

  it('presses a key in the middle of it, and hears it cut there', async () => {
    const { heard, attempt } = await call([{ untilAudio: true }, { wait: 700 }, { press: '5' }]);
    expect(heard.pressed.map(({ key }) => key)).toEqual(['5']);
    expect(attempt).toMatchObject({ key: '5', hung_up_by: 'campanile' });
    const [stretch] = heard.stretches;
    expect(payload.subarray(0, stretch!.payload.length).equals(stretch!.payload)).toBe(true);
    const pressedAfter = heard.pressed[0]!.at - stretch!.at;
    expect(stretch!.ms).toBeGreaterThan(pressedAfter);
    expect(Math.abs(attempt.heard_seconds! * 1000 - stretch!.ms)).toBeLessThanOrEqual(40);
  });
});
