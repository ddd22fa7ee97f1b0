import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/root.js';
import {
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  insertTrunkFixture,
  numbersFor,
  untilCompleted,
} from '../support/campaigns.js';
import { apiFor, describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';

describeOnAsterisk('templates of an admin', () => {
  let line: Line;
  let templatesDir: string;

  beforeAll(async () => {
    templatesDir = await mkdtemp(join(tmpdir(), 'campanile-templates-'));
    const direct = await readFile(join(packageRoot, 'spool-templates/direct.call'), 'utf8');
    const shown = (callerId: string) => direct.replace('CallerID: <{caller_id}>', `CallerID: <${callerId}>`);
    await writeFile(join(templatesDir, 'clinic.call'), shown('+12125550901'));
    await writeFile(join(templatesDir, 'direct.call'), shown('+12125550902'));
    await chmod(templatesDir, 0o755);
    line = await startLine({ config: { templatesDir } });
  });
  afterAll(async () => {
    await line.stop();
    await rm(templatesDir, { recursive: true });
  });

  it('are used by the trunks that name them, and take the place of ours of the same name', async () => {
    const { pool } = line.database;
    const campanile = await line.start();
    const tenant = await insertTenantFixture(pool, { ports: 10, ...toneMessage(0.3) });
    const admin = await apiFor(line, campanile, { admin: true });
    const made = await admin('POST', `/v1/trunks?tenant_id=${tenant.tenantId}`, {
      name: 'clinic',
      template: 'clinic',
      pbx_trunk: 'far',
      ports: 10,
    });
    expect(made.status).toBe(201);
    const clinic = { ...tenant, trunkId: made.json.id as string };
    const callerId = '+12125550100';
    const ids = await Promise.all([
      insertCampaignFixture(pool, clinic, numbersFor('201', 3), { callerId }),
      insertCampaignFixture(pool, tenant, numbersFor('486', 3), { callerId }),
    ]);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await untilCompleted(pool, ids, 30);
    const calls = await line.farEnd.calls();
    const fromOf = (code: string) => calls.filter((c) => c.number.endsWith(code)).map((c) => c.from);
    expect(fromOf('201')).toEqual(Array(3).fill('+12125550901'));
    expect(fromOf('486')).toEqual(Array(3).fill('+12125550902'));
    const ends = await Promise.all(ids.map((id) => attemptsOf(pool, id)));
    expect(ends.map((of) => of.map((a) => a.disposition))).toEqual([
      Array(3).fill('answered'),
      Array(3).fill('busy'),
    ]);
  });

  it('that are not there keep nobody else from dialling', async () => {
    const { pool } = line.database;
    const tenant = await insertTenantFixture(pool, { ports: 1, ...toneMessage(0.3) });
    const gone = await insertTrunkFixture(pool, tenant, { pbxTrunk: 'far', template: 'gone' });
    const waiting = await insertCampaignFixture(pool, gone, numbersFor('486', 3, 100));
    const other = await insertCampaignFixture(pool, tenant, numbersFor('486', 3, 200));
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await untilCompleted(pool, [other], 30);
    expect(await attemptsOf(pool, waiting)).toEqual([]);
  });

  it('are refused at the start, with the line and the reason', async () => {
    const bad = await mkdtemp(join(tmpdir(), 'campanile-templates-'));
    try {
      const direct = await readFile(join(packageRoot, 'spool-templates/direct.call'), 'utf8');
      await writeFile(join(bad, 'eager.call'), direct.replace('MaxRetries: 0', 'MaxRetries: 3'));
      await expect(line.start({ templatesDir: bad, nodeName: 'other' })).rejects.toThrow(
        /eager\.call:\d+: MaxRetries must be 0/,
      );
    } finally {
      await rm(bad, { recursive: true });
    }
  });
});
