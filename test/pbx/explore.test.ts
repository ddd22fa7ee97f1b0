import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { describeOnAsterisk, filesOfOurs, type Line, startLine, toneMessage } from '../support/line.js';

describeOnAsterisk('explore', () => {
  let line: Line;
  beforeAll(async () => {
    line = await startLine({
      farEnd: { ringSeconds: 1 },
      extraExtensions: `
[via-admin]
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@far,60)
 same => n,Hangup()
[via-nowhere]
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@nowhere,60)
 same => n,Hangup()
[via-busy]
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@far,60)
 same => n,Goto(\${DIALSTATUS},1)
exten => BUSY,1,Busy(20)
exten => CONGESTION,1,Congestion(20)
exten => _[A-Z]!,1,Hangup()
`,
    });
  });
  afterAll(() => line.stop());
  it('x', async () => {
    const pool = line.database.pool;
    const codes = ['200', '201', '203', '180', '999', '486', '404', '503', '603', '302', '408'];
    const all: [string, string][] = [
      ['direct', 'far'],
      ['routed', 'via-admin'],
      ['routed', 'via-nowhere'],
      ['routed', 'via-busy'],
      ['direct', 'nowhere'],
      ['routed', 'no-such-context'],
    ];
    for (const [i, [template, pbxTrunk]] of all.entries()) {
      const tenant = await insertTenantFixture(pool, { ports: 100, template, pbxTrunk, ...toneMessage(1) });
      await insertCampaignFixture(
        pool,
        tenant,
        codes.flatMap((c) => numbersFor(c, 1, i * 100)),
        { ringSeconds: 5, callerId: '+12125550101' },
      );
    }
    process.kill(line.asterisk.pid, 'SIGSTOP');
    const campanile = await line.start();
    await expect
      .poll(async () => (await readdir(join(line.asterisk.spoolDir, 'outgoing'))).length)
      .toBe(codes.length * all.length);
    await campanile.stop();
    process.kill(line.asterisk.pid, 'SIGCONT');
    await expect
      .poll(async () => (await readdir(join(line.asterisk.spoolDir, 'outgoing'))).length, { timeout: 30000 })
      .toBe(0);
    await new Promise((r) => setTimeout(r, 1000));
    const { rows } = await pool.query(
      'select a.id, a.tenant_id, number, template, tr.pbx_trunk from attempts a join trunks tr on tr.id = trunk_id order by number',
    );
    const dir = join(line.asterisk.spoolDir, 'campanile/reports');
    for (const r of rows) {
      const text = await readFile(join(dir, `${r.tenant_id}.${r.id}`), 'utf8').catch(() => 'NONE');
      console.log(r.template, r.pbx_trunk, r.number.slice(-3), JSON.stringify(text));
    }
    console.log((await readFile(line.asterisk.logFile, 'utf8')).slice(0, 3000));
    console.log(await line.asterisk.cli('dialplan show campanile-report'));
    await line.start();
    await expect
      .poll(async () => (await pool.query("select * from campaigns where status='running'")).rows.length, {
        timeout: 30000,
      })
      .toBe(0);
    const { rows: ended } = await pool.query(
      'select template, tr.pbx_trunk, right(number,3), disposition, sip_status, hangup_cause, dial_status,hung_up_by,ring_seconds,talk_seconds from attempts a join trunks tr on tr.id = trunk_id order by number',
    );
    for (const r of ended) console.log(Object.values(r).join(' '));
    console.log(await filesOfOurs(line.asterisk));
  });
});
