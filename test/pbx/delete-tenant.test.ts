import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accountName } from '../../src/calls/sip-account.js';
import type { Running } from '../../src/main.js';
import { fileNameOf } from '../../src/spool/name.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  insertTrunkFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import {
  apiFor,
  describeOnAsterisk,
  filesOfOurs,
  type Line,
  type SendToApi,
  startLine,
  toneMessage,
} from '../support/line.js';
import { rowsOfTenant } from '../support/tenant-rows.js';

const LONG_SECONDS = 120;

/** A context of the admin's, for calls with a Local channel. */
const OUTBOUND = `[outbound]\nexten => _[+0-9].,1,Dial(PJSIP/\${EXTEN}@far)\n`;

describeOnAsterisk('deleting a tenant whose calls are up', () => {
  let line: Line;
  let campanile: Running;
  let admin: SendToApi;
  let doomed: TenantFixture;
  let other: TenantFixture;

  beforeAll(async () => {
    line = await startLine({ extraExtensions: OUTBOUND });
    const { pool } = line.database;
    campanile = await line.start({ keepFilesSeconds: 3600 });
    admin = await apiFor(line, campanile, { admin: true });
    doomed = await insertTenantFixture(pool, { ports: 20, ...toneMessage(LONG_SECONDS) });
    other = await insertTenantFixture(pool, { ports: 20, ...toneMessage(LONG_SECONDS + 1) });
  });
  afterAll(() => line.stop());

  const channels = async () =>
    (await line.asterisk.cli('core show channels concise')).split('\n').filter(Boolean);
  const open = async ({ tenantId }: TenantFixture) => {
    const { rows } = await line.database.pool.query(
      `SELECT answered_at FROM attempts WHERE tenant_id = $1 AND state = 'open'`,
      [tenantId],
    );
    return { calls: rows.length, answered: rows.filter((row) => row.answered_at !== null).length };
  };
  const sounds = async () =>
    (await readdir(line.config.soundsDir)).filter((name) => /^[0-9a-f]{64}/.test(name));

  it('hangs them up within seconds, ringing or answered, direct or routed, and leaves nothing', async () => {
    const { pool } = line.database;
    const routed = await insertTrunkFixture(pool, doomed, { pbxTrunk: 'outbound', template: 'routed' });
    await insertCampaignFixture(pool, doomed, [...numbersFor('200', 3), ...numbersFor('180', 3, 100)]);
    await insertCampaignFixture(pool, routed, numbersFor('200', 2, 200));
    await insertCampaignFixture(pool, doomed, numbersFor('486', 2, 300));
    await insertCampaignFixture(pool, other, numbersFor('200', 2, 400));
    const send = await apiFor(line, campanile, doomed);
    const sip = { host: '127.0.0.1', transport: 'udp', user: 'a', password: 'b', register: false };
    const trunk = await send('POST', '/v1/trunks', {
      name: 'own',
      ports: 1,
      sip: { ...sip, caller_ids: [], codecs: ['ulaw'] },
    });
    expect(trunk.status, JSON.stringify(trunk.json)).toBe(201);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await expect.poll(() => open(doomed), { timeout: 20_000 }).toEqual({ calls: 8, answered: 5 });
    await expect.poll(() => open(other), { timeout: 20_000 }).toEqual({ calls: 2, answered: 2 });
    await expect
      .poll(() => readFile(line.config.pjsipFile, 'utf8'), { timeout: 20_000 })
      .toContain(accountName(trunk.json.id));
    expect((await channels()).length).toBeGreaterThanOrEqual(8 + 2);
    expect(await sounds()).toHaveLength(2);

    const asked = await admin('DELETE', `/v1/tenants/${doomed.tenantId}`);
    expect([asked.status, asked.json.deleting_since]).toEqual([202, expect.any(String)]);
    expect((await send('GET', '/v1/campaigns')).json.code).toBe('tenant_deleting');

    // The other tenant's calls, and no other channel.
    await expect.poll(async () => (await channels()).length, { timeout: 10_000 }).toBe(2);
    await expect
      .poll(async () => (await admin('GET', `/v1/tenants/${doomed.tenantId}`)).status, { timeout: 20_000 })
      .toBe(404);
    expect(await rowsOfTenant(pool, doomed.tenantId)).toEqual({});
    expect(await open(other)).toEqual({ calls: 2, answered: 2 });
    await expect.poll(sounds, { timeout: 10_000 }).toHaveLength(1);
    await expect.poll(() => keptOf(doomed), { timeout: 10_000 }).toEqual([]);
    const left = Object.values(await filesOfOurs(line.asterisk)).flat();
    expect(left.filter((name) => name.startsWith(doomed.tenantId))).toEqual([]);
    await expect
      .poll(() => readFile(line.config.pjsipFile, 'utf8'), { timeout: 20_000 })
      .not.toContain(accountName(trunk.json.id));
    expect((await send('GET', '/v1/campaigns')).status).toBe(401);
  });

  const keptOf = async ({ tenantId }: TenantFixture) => {
    const names = await readdir(join(line.asterisk.spoolDir, 'campanile/kept'), { recursive: true });
    return names.filter((name) => name.includes(tenantId));
  };

  it('goes on where it was when Campanile is stopped in between, and takes files that are not begun out of the spool', async () => {
    const { pool } = line.database;
    const third = await insertTenantFixture(pool, { ports: 4, ...toneMessage(LONG_SECONDS + 2) });
    process.kill(line.asterisk.pid, 'SIGSTOP');
    try {
      await insertCampaignFixture(pool, third, numbersFor('200', 4, 500));
      await pool.query(`SELECT pg_notify('campanile_due', '')`);
      await expect.poll(() => open(third), { timeout: 20_000 }).toMatchObject({ calls: 4 });
      const outgoing = async () =>
        (await readdir(join(line.asterisk.spoolDir, 'outgoing'))).filter((n) => n.startsWith(third.tenantId))
          .length;
      await expect.poll(outgoing, { timeout: 10_000 }).toBe(4);
      expect((await admin('DELETE', `/v1/tenants/${third.tenantId}`)).status).toBe(202);
      await campanile.stop();
      campanile = await line.start();
      admin = await apiFor(line, campanile, { admin: true });
      await expect.poll(outgoing, { timeout: 20_000 }).toBe(0);
    } finally {
      process.kill(line.asterisk.pid, 'SIGCONT');
    }
    await expect
      .poll(async () => (await admin('GET', `/v1/tenants/${third.tenantId}`)).status, { timeout: 20_000 })
      .toBe(404);
    expect(await rowsOfTenant(pool, third.tenantId)).toEqual({});
    const called = (await line.farEnd.calls()).filter(({ number }) =>
      numbersFor('200', 4, 500).includes(number),
    );
    expect(called).toEqual([]);
    expect(await readdir(join(line.asterisk.spoolDir, 'outgoing'))).not.toContain(fileNameOf(third.tenantId));
  });
});
