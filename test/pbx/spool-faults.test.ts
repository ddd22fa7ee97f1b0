import { chmod, chown, copyFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { overflow } from '../../chaos/faults/overflow.js';
import { askAsterisk } from '../../src/asterisk-console.js';
import type { Running } from '../../src/main.js';
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
  let campanile: Running;
  let tenant: TenantFixture;
  let campaigns = 0;

  beforeAll(async () => {
    line = await startLine({
      farEnd: { ringSeconds: 4 },
      spoolBytes: 4 << 20,
      config: { keepFilesSeconds: 3600 },
    });
    tenant = await insertTenantFixture(line.database.pool, { ports: 1000, ...toneMessage(2) });
    campanile = await line.start();
  });
  afterAll(() => line.stop());

  /** An Asterisk that has just started finds all files by itself, and is told of none. */
  async function untilSettled(): Promise<void> {
    const { mtimeMs } = await stat(join(line.asterisk.runDir, 'asterisk.ctl'));
    await expect.poll(() => Date.now() - mtimeMs, { timeout: 20_000 }).toBeGreaterThan(10_000);
  }

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

  async function untilNoneIsUp({ callerId }: { callerId: string }): Promise<void> {
    const up = async () => (await callsOf(callerId)).filter((call) => call.endedAt === null).length;
    await expect.poll(up, { timeout: 20_000 }).toBe(0);
  }

  /** A campaign all of whose files lie in outgoing/ before Asterisk goes on. */
  async function placeWhileAsteriskStands(
    counts: Record<string, number>,
    {
      before,
      afterwards,
    }: { before?(outgoing: string): Promise<void>; afterwards?(paths: string[]): Promise<void> },
  ) {
    await untilSettled();
    const outgoing = join(line.asterisk.spoolDir, 'outgoing');
    const calls = Object.values(counts).reduce((sum, n) => sum + n, 0);
    process.kill(line.asterisk.pid, 'SIGSTOP');
    try {
      await before?.(outgoing);
      const campaign = await insertCampaign(counts);
      await expect.poll(async () => (await readdir(outgoing)).length, { timeout: 10_000 }).toBe(calls);
      await afterwards?.((await readdir(outgoing)).map((name) => join(outgoing, name)));
      return campaign;
    } finally {
      process.kill(line.asterisk.pid, 'SIGCONT');
    }
  }

  const dispositionsOf = async ({ id }: { id: string }) =>
    (await attemptsOf(line.database.pool, id)).map((attempt) => attempt.disposition).toSorted();

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
    await untilNoneIsUp(campaign);
    const before = (await callsOf(campaign.callerId)).length;
    expect(before).toBeLessThan(100);
    await repair(line);
    await expect
      .poll(async () => (await callsOf(campaign.callerId)).length, { timeout: 10_000, interval: 10 })
      .toBeGreaterThan(before);
    await expectInOrder(campaign);
  });

  it('is read-only while Campanile is away: what Asterisk could not mark or archive is known to be over at the start', async () => {
    const campaign = await insertCampaign({ 200: 20, 202: 20, 486: 20 });
    await expect
      .poll(async () => (await callsOf(campaign.callerId)).length, { timeout: 20_000, interval: 10 })
      .toBeGreaterThan(10);
    await line.spoolDisk!.makeReadOnly();
    await campanile.stop();
    await untilNoneIsUp(campaign);
    await line.spoolDisk!.makeWritable();
    campanile = await line.start();
    // By itself Asterisk is asked about a call after a minute.
    await untilCompleted(line.database.pool, [campaign.id], 45);
    await expectInOrder(campaign);
  });

  it('has files that Asterisk can read and not mark: it is asked before it is told of them again', async () => {
    // Each rings for longer than a file waits before it is announced again.
    const counts = { 202: 4, 180: 4 };
    const campaign = await placeWhileAsteriskStands(counts, {
      async afterwards(paths) {
        for (const path of paths) {
          await chown(path, 0, line.asterisk.gid);
          await chmod(path, 0o440);
        }
      },
    });
    await expectInOrder(campaign);
    expect(await dispositionsOf(campaign)).toEqual(
      ['answered', 'no_answer'].flatMap((one) => Array(4).fill(one)),
    );
  });

  it('has files that Asterisk was not told of: they are announced again', async () => {
    const campaign = await placeWhileAsteriskStands({ 200: 4, 486: 4 }, { before: overflow });
    await expectInOrder(campaign);
    expect(await dispositionsOf(campaign)).toEqual(['answered', 'busy'].flatMap((one) => Array(4).fill(one)));
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
