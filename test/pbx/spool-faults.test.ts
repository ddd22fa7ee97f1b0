import { chown, copyFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askAsterisk } from '../../src/asterisk-console.js';
import {
  attemptsOf,
  countersOf,
  groupBy,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, filesOfOurs, type Line, startLine, toneMessage } from '../support/line.js';

describeOnAsterisk('a spool that cannot be written', () => {
  let line: Line;
  let tenant: TenantFixture;
  let campaigns = 0;

  beforeAll(async () => {
    line = await startLine({
      farEnd: { ringSeconds: 4 },
      spoolBytes: 4 << 20,
      config: { keepFilesSeconds: 3600 },
    });
    tenant = await insertTenantFixture(line.database.pool, { ports: 1000, ...toneMessage(2) });
    await line.start();
  });
  afterAll(() => line.stop());

  async function insertCampaign(counts: Record<string, number>): Promise<{ id: string; callerId: string }> {
    campaigns += 1;
    const callerId = `+121255504${10 + campaigns}`;
    const numbers = Object.entries(counts).flatMap(([code, n]) => numbersFor(code, n, 100 * campaigns));
    const id = await insertCampaignFixture(line.database.pool, tenant, numbers, {
      ringSeconds: 5,
      ports: 10,
      callerId,
    });
    return { id, callerId };
  }

  const callsOf = async (callerId: string) =>
    (await line.farEnd.calls()).filter((call) => call.from === callerId);

  async function expectInOrder({ id, callerId }: { id: string; callerId: string }): Promise<void> {
    const { pool } = line.database;
    await untilCompleted(pool, [id], 90);
    const perNumber = (of: { number: string }[]) =>
      Object.fromEntries([...groupBy(of, (a) => a.number)].map(([number, some]) => [number, some.length]));
    const attempts = await attemptsOf(pool, id);
    expect(perNumber(await callsOf(callerId))).toEqual(perNumber(attempts));
    const { kept, counted } = await countersOf(pool, id);
    expect(kept).toEqual(counted);
    await expect.poll(() => filesOfOurs(line.asterisk), { timeout: 20_000 }).toEqual({});
  }

  it.each([
    ['read-only', (l: Line) => l.spoolDisk!.makeReadOnly(), (l: Line) => l.spoolDisk!.makeWritable()],
    ['full', (l: Line) => l.spoolDisk!.fill(), (l: Line) => l.spoolDisk!.empty()],
  ])('is %s: nobody is called twice, and calls go on when it is not any more', async (_, breakIt, repair) => {
    const campaign = await insertCampaign({ 200: 20, 202: 20, 486: 40, 404: 20 });
    await expect
      .poll(async () => (await callsOf(campaign.callerId)).length, { timeout: 20_000, interval: 10 })
      .toBeGreaterThan(15);
    await breakIt(line);
    // All that were up have ended, and nobody else is called.
    const up = async () => (await callsOf(campaign.callerId)).filter((call) => call.endedAt === null).length;
    await expect.poll(up, { timeout: 20_000 }).toBe(0);
    const before = (await callsOf(campaign.callerId)).length;
    expect(before).toBeLessThan(100);
    await repair(line);
    await expect
      .poll(async () => (await callsOf(campaign.callerId)).length, { timeout: 10_000, interval: 10 })
      .toBeGreaterThan(before);
    await expectInOrder(campaign);
  });

  it('does not dial what Campanile kept, though somebody puts it back under another Asterisk', async () => {
    const campaign = await insertCampaign({ 200: 1, 486: 1 });
    await expectInOrder(campaign);
    const kept = join(line.asterisk.spoolDir, 'campanile/kept');
    const [hour] = (await readdir(kept)).toSorted().slice(-1);
    const ids = (await attemptsOf(line.database.pool, campaign.id)).map((a) => `${a.tenant_id}.${a.id}.call`);
    await line.asterisk.restart();
    for (const name of ids) {
      const copy = join(line.asterisk.spoolDir, 'copy');
      await copyFile(join(kept, hour!, name), copy);
      await chown(copy, line.asterisk.uid, line.asterisk.gid);
      await rename(copy, join(line.asterisk.spoolDir, 'outgoing', name));
    }
    await expect.poll(() => filesOfOurs(line.asterisk), { timeout: 20_000 }).toEqual({});
    expect(await callsOf(campaign.callerId)).toHaveLength(2);
  });

  it('keeps the port of a call whose file was taken away until the call is over', async () => {
    const campaign = await insertCampaign({ 202: 1 });
    const outgoing = join(line.asterisk.spoolDir, 'outgoing');
    const rings = async () => (await callsOf(campaign.callerId)).length === 1;
    await expect.poll(rings, { timeout: 20_000, interval: 10 }).toBe(true);
    for (const name of await readdir(outgoing)) await rm(join(outgoing, name));
    await untilCompleted(line.database.pool, [campaign.id], 60);
    const [attempt] = await attemptsOf(line.database.pool, campaign.id);
    const [call] = await callsOf(campaign.callerId);
    expect(attempt!.disposition).toBe('answered');
    expect(attempt!.ended_at!.getTime()).toBeGreaterThan(call!.endedAt! - 1000);
  });

  it('asks Asterisk as much as it likes at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 64 }, () => askAsterisk(line.asterisk.runDir, 'core show uptime')),
    );
    expect(answers.filter((text) => text.includes('System uptime'))).toHaveLength(64);
  });
});
