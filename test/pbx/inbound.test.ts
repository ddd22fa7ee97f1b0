import { chown, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createCallTokens, INBOUND } from '../../src/agi/token.js';
import { loadSecret } from '../../src/config.js';
import { codecOf } from '../../src/lab/phone/codec.js';
import { compareBytes } from '../../src/lab/phone/compare.js';
import type { HeardCall } from '../../src/lab/phone/heard.js';
import type { Step } from '../../src/lab/phone/script.js';
import { playedOf } from '../../src/lab/phone/sounds.js';
import type { Running } from '../../src/main.js';
import { insertAttemptFixtures } from '../support/attempts.js';
import { insertCampaignFixture, insertTenantFixture, type TenantFixture } from '../support/campaigns.js';
import { apiFor, describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';

const OURS = '+12125550100';
const THEIRS = '+12125550199';
const [ours, theirs] = [toneMessage(2), toneMessage(3)];
const payloadOf = ({ audio }: { audio: Buffer }) => codecOf('PCMU').encode(playedOf(audio));

describeOnAsterisk('a call back to the caller id', () => {
  let line: Line;
  let campanile: Running;
  let tenant: TenantFixture;
  let stranger: TenantFixture;
  let campaign: string;
  let callers = 0;
  let calls = 0;
  let caller: string;

  beforeAll(async () => {
    line = await startLine({
      phones: {},
      // A telephone that the PBX has called takes the part of the caller.
      extraExtensions: `
[calls-back]
exten => _[+0-9a].,1,Set(CALLERID(num)=\${CUT(EXTEN,-,1)})
 same => n,Goto(campanile-inbound,\${CUT(EXTEN,-,2)},1)
[dials-in]
exten => _[+0-9a].,1,Set(CALLERID(num)=\${CUT(EXTEN,-,1)})
 same => n,Dial(PJSIP/phones/sip:\${CUT(EXTEN,-,2)}@127.0.0.1:\${DB(carrier/port)})
[from-carrier]
exten => ${OURS},1,Goto(campanile-inbound,\${EXTEN},1)
[campanile-custom-inbound]
exten => _[+0-9a].,1,Set(DB(passed/\${CALLERID(num)})=\${EXTEN})
 same => n,Hangup()
`,
      // What comes in by SIP comes from a carrier.
      extraPjsip: `
[carrier]
type=endpoint
transport=loopback
context=from-carrier
disallow=all
allow=ulaw

[carrier]
type=identify
endpoint=carrier
match=127.0.0.1
`,
    });
    await line.asterisk.cli(`database put carrier port ${line.sipPort}`);
    const { pool } = line.database;
    tenant = await insertTenantFixture(pool, { pbxTrunk: 'phones', ...ours });
    stranger = await insertTenantFixture(pool, { pbxTrunk: 'phones', ...theirs });
    await pool.query(`UPDATE tenants SET default_region = 'US' WHERE id = $1`, [tenant.tenantId]);
    campanile = await line.start();
    const token = createCallTokens(await loadSecret(line.config)).tokenFor(INBOUND);
    await line.asterisk.cli(`dialplan set global CAMPANILE_INBOUND ${line.config.agiUrl}`);
    await line.asterisk.cli(`dialplan set global CAMPANILE_INBOUND_TOKEN ${token}`);
  });
  afterAll(() => line.stop());

  /** Two tenants have called the number, the stranger last, each from a caller id of his own. */
  beforeEach(async () => {
    const { pool } = line.database;
    caller = `+1212666${1000 + callers++}`;
    const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    const called = { number: caller, disposition: 'answered', heard: 2 };
    campaign = await insertCampaignFixture(pool, tenant, [caller], {
      callerId: OURS,
      optOutKey: '9',
      status: 'paused',
    });
    await insertAttemptFixtures(pool, tenant, campaign, [{ ...called, at: at(60) }]);
    const other = await insertCampaignFixture(pool, stranger, [caller], {
      callerId: THEIRS,
      status: 'paused',
    });
    await insertAttemptFixtures(pool, stranger, other, [{ ...called, at: at(5) }]);
  });

  async function callBack(
    steps: readonly Step[],
    shown = caller,
    called = OURS,
    context = 'calls-back',
  ): Promise<HeardCall> {
    await line.phones!.use([{ number: caller, steps }]);
    const { spoolDir, uid, gid } = line.asterisk;
    const draft = join(spoolDir, `back-${calls++}.call`);
    await writeFile(
      draft,
      `Channel: PJSIP/${caller}@phones\nContext: ${context}\nExtension: ${shown}-${called}\nPriority: 1\n`,
    );
    await chown(draft, uid, gid);
    await rename(draft, join(spoolDir, 'outgoing', basename(draft)));
    return line.phones!.untilEnded(caller);
  }

  const heardOf = (heard: HeardCall, message: { audio: Buffer }) =>
    compareBytes(Buffer.concat(heard.stretches.map((stretch) => stretch.payload)), payloadOf(message));
  const passedOn = async (shown = caller) =>
    (await line.asterisk.cli(`database get passed ${shown}`)).trim().replace('Value: ', '');
  const records = async () => {
    const { rows } = await line.database.pool.query('SELECT * FROM inbound_calls WHERE number = $1', [
      caller,
    ]);
    return rows;
  };
  const isSuppressed = async (tenantId: string) => {
    const { rowCount } = await line.database.pool.query(
      'SELECT FROM suppressed_numbers WHERE tenant_id = $1 AND number = $2',
      [tenantId, caller],
    );
    return rowCount === 1;
  };

  it('comes in by SIP: it is answered, hears which campaign called, and may opt out', async () => {
    const heard = await callBack(
      [{ untilAudio: true }, { wait: 800 }, { press: '9' }],
      caller,
      OURS,
      'dials-in',
    );
    expect(heard).toMatchObject({ finalStatus: 200, endedBy: 'caller' });
    // The Asterisk that dials in may let its caller hear a moment of ringing first.
    const payload = Buffer.concat(heard.stretches.map((stretch) => stretch.payload));
    const from = payload.indexOf(payloadOf(ours).subarray(0, 160));
    expect(from).toBeGreaterThanOrEqual(0);
    expect(compareBytes(payload.subarray(from), payloadOf(ours))).toMatchObject({
      sounds: [{ is: 'beginning' }],
      otherMs: 0,
    });
    expect(await isSuppressed(tenant.tenantId)).toBe(true);
    expect(await records()).toMatchObject([{ tenant_id: tenant.tenantId, campaign_id: campaign }]);
  });

  it('hears which campaign called, and is passed on', async () => {
    const heard = await callBack([]);
    expect(heardOf(heard, ours)).toMatchObject({ sounds: [{ is: 'whole' }], otherMs: 0 });
    expect(await passedOn()).toBe(OURS);
    expect(await records()).toMatchObject([
      {
        tenant_id: tenant.tenantId,
        campaign_id: campaign,
        called: OURS,
        ended_at: expect.any(Date),
        steps: [{ step: 'message', type: 'play', heard_seconds: 2 }],
        opted_out: false,
        passed_on: true,
      },
    ]);
  });

  it('opts out with the key of the campaign, at once and of that tenant only', async () => {
    const heard = await callBack([{ untilAudio: true }, { wait: 500 }, { press: '9' }]);
    expect(heard).toMatchObject({ endedBy: 'caller' });
    expect(heard.stretches[0]!.ms).toBeLessThan(1_500);
    expect([await isSuppressed(tenant.tenantId), await isSuppressed(stranger.tenantId)]).toEqual([
      true,
      false,
    ]);
    expect(await passedOn()).toContain('not found');
    expect(await records()).toMatchObject([{ opted_out: true, passed_on: false }]);
    const api = await apiFor(line, campanile, tenant);
    const { json } = await api('GET', `/v1/inbound-calls?campaign_id=${campaign}`);
    expect(json.data).toMatchObject([
      { number: caller, opted_out: true, steps: [{ pressed: [{ key: '9' }] }] },
    ]);
    const theirApi = await apiFor(line, campanile, stranger);
    expect((await theirApi('GET', '/v1/inbound-calls')).json.data).toEqual([]);
  });

  it('hears the message that the campaign has for callers, whoever called last from that number', async () => {
    const { pool } = line.database;
    await pool.query(
      `WITH sound AS (INSERT INTO sounds (tenant_id, sha256, wav, seconds) VALUES ($1, $3, $4, 3))
        INSERT INTO messages (tenant_id, id, name, sha256, seconds) VALUES ($1, $2, 'callers', $3, 3)`,
      [tenant.tenantId, campaign, theirs.sha256, theirs.audio],
    );
    await pool.query('UPDATE campaigns SET inbound_message_id = id WHERE id = $1', [campaign]);
    const heard = await callBack([]);
    expect(heardOf(heard, theirs)).toMatchObject({ sounds: [{ is: 'whole' }], otherMs: 0 });
    expect(await records()).toMatchObject([{ campaign_id: campaign, passed_on: true }]);
  });

  it('is known by its national number too, and by the number called as a carrier writes it', async () => {
    const national = caller.slice(2);
    const heard = await callBack([], national, OURS.slice(1));
    expect(heardOf(heard, ours)).toMatchObject({ sounds: [{ is: 'whole' }] });
    expect(await records()).toMatchObject([{ number: caller, called: OURS.slice(1) }]);
  });

  it('is written down also when the caller hangs up', async () => {
    await callBack([{ untilAudio: true }, { wait: 500 }, { hangUp: true }]);
    await expect.poll(async () => (await records())[0]?.ended_at).toBeInstanceOf(Date);
    const [record] = await records();
    expect(record).toMatchObject({ opted_out: false, passed_on: false });
    expect(record.steps[0].heard_seconds).toBeLessThan(1);
  });

  it('is passed on, and not written down, when nobody called', async () => {
    const heard = await callBack([], '+12126660000');
    expect(heard.stretches).toEqual([]);
    expect(await passedOn('+12126660000')).toBe(OURS);
    const anonymous = await callBack([], 'anonymous');
    expect(anonymous.stretches).toEqual([]);
    const another = await callBack([], caller, '+12125550142');
    expect(another.stretches).toEqual([]);
    expect(await records()).toEqual([]);
  });

  it('is not believed without the token', async () => {
    const { cli } = line.asterisk;
    const shown = await cli('dialplan show globals');
    const token = /CAMPANILE_INBOUND_TOKEN=(\S+)/.exec(shown)![1]!;
    await cli(`dialplan set global CAMPANILE_INBOUND_TOKEN ${'A'.repeat(32)}`);
    const heard = await callBack([]);
    await cli(`dialplan set global CAMPANILE_INBOUND_TOKEN ${token}`);
    expect(heard.stretches).toEqual([]);
    expect(await passedOn()).toBe(OURS);
    expect(await records()).toEqual([]);
  });
});
