import { afterAll, beforeAll, expect, it } from 'vitest';
import { countersOf, insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';

describeOnAsterisk('a campaign through a real Asterisk', () => {
  let line: Line;
  beforeAll(async () => {
    line = await startLine();
  });
  afterAll(() => line.stop());

  it('dials', async () => {
    const tenant = await insertTenantFixture(line.database.pool, { ports: 20, ...toneMessage(0.5) });
    const codes = [
      '200',
      '201',
      '202',
      '203',
      '205',
      '180',
      '183',
      '486',
      '404',
      '603',
      '503',
      '999',
      '480',
      '403',
      '484',
      '302',
      '401',
      '407',
      '408',
      '410',
      '487',
      '500',
      '502',
      '504',
      '600',
      '604',
    ];
    const campaign = await insertCampaignFixture(
      line.database.pool,
      tenant,
      codes.flatMap((c) => numbersFor(c, 1)),
      { ringSeconds: 5, callerId: '+12125550100' },
    );
    await line.start();
    await expect
      .poll(async () => (await line.database.pool.query('select status from campaigns')).rows[0].status, {
        timeout: 60000,
        interval: 200,
      })
      .toBe('completed');
    const { rows } = await line.database.pool.query(
      'select right(number,3) code, disposition, sip_status, hangup_cause, dial_status, hung_up_by, ring_seconds, talk_seconds, heard_seconds, key, archive_status, hangup_at - claimed_at as t, ended_at-hangup_at as e from attempts order by 1',
    );
    console.table(
      rows.map((r) => ({
        ...r,
        t: r.t && (r.t.seconds ?? 0) + (r.t.milliseconds ?? 0) / 1000,
        e: r.e && (r.e.seconds ?? 0) + (r.e.milliseconds ?? 0) / 1000,
      })),
    );
    console.log(await countersOf(line.database.pool, campaign));
  });
});
