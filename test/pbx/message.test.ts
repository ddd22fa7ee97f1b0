import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type AttemptRow,
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, keptLog, type Line, startLine, toneMessage } from '../support/line.js';

const MESSAGE_SECONDS = 3;
const message = toneMessage(MESSAGE_SECONDS);

describeOnAsterisk('the message of a call', () => {
  let line: Line;
  let tenant: TenantFixture;
  let dialled = 0;
  const { log, lines } = keptLog('error');

  beforeAll(async () => {
    line = await startLine({
      farEnd: { ringSeconds: 2 },
      extraExtensions: `
[campanile-custom-before]
exten => s,1,Set(DB(before/\${CAMPANILE_CALL})=\${CHANNEL(state)})
 same => n,Return()
[campanile-custom-after]
exten => s,1,Set(DB(after/\${CAMPANILE_CALL})=\${AGISTATUS})
 same => n,Hangup()
`,
    });
    tenant = await insertTenantFixture(line.database.pool, { ports: 20, ...message });
    await line.start({}, log);
  });
  afterAll(() => line.stop());

  async function call(code: string, during: () => Promise<void> = async () => {}): Promise<AttemptRow> {
    dialled += 1;
    const { pool } = line.database;
    const numbers = numbersFor(code, 1, dialled);
    const id = await insertCampaignFixture(pool, tenant, numbers);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await expect
      .poll(async () => (await line.farEnd.calls()).some((c) => c.number === numbers[0]), { timeout: 10_000 })
      .toBe(true);
    await during();
    await untilCompleted(pool, [id], 30);
    return (await attemptsOf(pool, id))[0]!;
  }

  it('is heard to its end', async () => {
    const a = await call('200');
    expect(a).toMatchObject({
      disposition: 'answered',
      heard_seconds: MESSAGE_SECONDS,
      hung_up_by: 'campanile',
    });
    expect(a.key).toBeNull();
  });

  it('is heard until the callee hangs up', async () => {
    const { campaign_id: id } = await call('201');
    const attempt = async () => (await attemptsOf(line.database.pool, id))[0]!;
    // Asterisk does not wait until it is written down.
    await expect.poll(async () => (await attempt()).heard_seconds, { timeout: 10_000 }).not.toBeNull();
    const a = await attempt();
    expect(a).toMatchObject({ disposition: 'answered', hung_up_by: 'callee' });
    // The far end stays for 0.7 s.
    expect(a.heard_seconds).toBeGreaterThan(0);
    expect(a.heard_seconds).toBeLessThanOrEqual(0.8);
    expect(a.talk_seconds).toBeGreaterThanOrEqual(0.7);
  });

  it('is heard until a key is pressed', async () => {
    const a = await call('205');
    expect(a).toMatchObject({ disposition: 'answered', key: '5', hung_up_by: 'campanile' });
    expect(a.heard_seconds).toBeGreaterThan(0);
    expect(a.heard_seconds).toBeLessThan(MESSAGE_SECONDS);
  });

  it('is missed, and the call answered, when the sound is not there; the next call has it again', async () => {
    const sound = join(line.config.soundsDir, `${message.sha256}.wav`);
    const a = await call('202', () => rm(sound));
    expect(a).toMatchObject({ disposition: 'answered', heard_seconds: null, hung_up_by: 'campanile' });
    expect(lines.map((entry) => entry.msg)).toEqual([
      expect.stringMatching(new RegExp(`^agi session failed: cannot play .*${message.sha256}`)),
    ]);
    expect(await call('200')).toMatchObject({ heard_seconds: MESSAGE_SECONDS });
    expect(lines).toHaveLength(1);
  });

  it('stands between what the admin does before and after it', async () => {
    const a = await call('200');
    const callId = `${a.tenant_id}.${a.id}`;
    expect(await line.asterisk.cli(`database get before ${callId}`)).toBe('Value: Up\n');
    expect(await line.asterisk.cli(`database get after ${callId}`)).toBe('Value: SUCCESS\n');
  });
});
