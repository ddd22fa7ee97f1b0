import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { awaitArchived, readArchived, stillWaitsForStatus } from '../../src/spool/archive.js';
import { createDisposal, quarantine } from '../../src/spool/disposal.js';
import { appendStatus, archived, list, makeSpool, newCall, type TempSpool } from './temp-spool.js';

let temp: TempSpool;
beforeEach(async () => {
  temp = await makeSpool();
});
afterEach(() => temp.remove());

describe('an archived file', () => {
  it('tells the call, its status, its start and how often Asterisk began', async () => {
    const { callId, name } = newCall();
    const before = Math.floor(Date.now() / 1000) * 1000;
    await archived(temp.spool, name, 'Expired');
    const file = readArchived(temp.spool, name);
    expect(file).toEqual({
      name,
      callId,
      status: 'Expired',
      startedAt: expect.any(Date),
      attemptsLogged: 1,
      archivedAt: expect.any(Date),
    });
    expect(file!.startedAt!.getTime()).toBeGreaterThanOrEqual(before);
    expect(file!.startedAt!.getTime()).toBeLessThanOrEqual(Date.now());
  });

  it('never begun has no start', async () => {
    const { name } = newCall();
    await writeFile(join(temp.spool.done, name), 'Channel: nonsense\nStatus: Failed\n');
    expect(readArchived(temp.spool, name)).toMatchObject({
      status: 'Failed',
      startedAt: null,
      attemptsLogged: 0,
    });
  });

  it('of somebody else, or none at all, is null', async () => {
    await writeFile(join(temp.spool.done, 'doorbell.call'), 'Status: Completed\n');
    expect(readArchived(temp.spool, 'doorbell.call')).toBeNull();
    expect(readArchived(temp.spool, newCall().name)).toBeNull();
  });

  it('is read again until its status is there', async () => {
    const { name } = newCall();
    await archived(temp.spool, name, null);
    const unsaid = readArchived(temp.spool, name);
    expect(unsaid).toMatchObject({ status: null });
    expect(await stillWaitsForStatus(temp.spool, unsaid!, 20_000)).toBe(true);
    let settled = false;
    const read = awaitArchived(temp.spool, name, 20_000).finally(() => {
      settled = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    await appendStatus(temp.spool, name, 'Expired');
    expect(await read).toMatchObject({ status: 'Expired' });
  });

  it('whose status never comes is finished without one, and at once when it is old', async () => {
    const { name } = newCall();
    await archived(temp.spool, name, null);
    expect(await awaitArchived(temp.spool, name, 60)).toMatchObject({ status: null, attemptsLogged: 1 });
    const at = performance.now();
    expect(await awaitArchived(temp.spool, name, 60)).toMatchObject({ status: null });
    expect(performance.now() - at).toBeLessThan(55);
  });
});

describe('files that have served', () => {
  it('are removed when nothing is to be kept', async () => {
    const { name } = newCall();
    await archived(temp.spool, name);
    const { dispose } = createDisposal(temp.spool, 0);
    await dispose(name);
    await dispose(name);
    expect([await list(temp.spool.done), await list(temp.spool.kept)]).toEqual([[], []]);
  });

  it('are kept by the hour, and purged when the last of the hour is old enough', async () => {
    // With ":00:00Z" after it, this is a date to JavaScript, and a very old one.
    const OWN = 'Jan 1 2001 1';
    let now = new Date('2026-03-01T10:59:59Z');
    const { dispose, purge } = createDisposal(temp.spool, 7200, () => now);
    const [early, late] = [newCall(), newCall()];
    await archived(temp.spool, early.name);
    await archived(temp.spool, late.name);
    await dispose(early.name);
    now = new Date('2026-03-01T11:00:00Z');
    await dispose(late.name);
    await mkdir(join(temp.spool.kept, OWN));
    expect(await list(temp.spool.kept)).toEqual(['2026-03-01T10', '2026-03-01T11', OWN]);
    expect(await readFile(join(temp.spool.kept, '2026-03-01T10', early.name), 'utf8')).toContain('Status:');
    now = new Date('2026-03-01T12:59:59Z');
    expect(await purge()).toBe(0);
    now = new Date('2026-03-01T13:00:00Z');
    expect(await purge()).toBe(1);
    expect(await list(temp.spool.kept)).toEqual(['2026-03-01T11', OWN]);
  });

  it('of others are not touched', async () => {
    await writeFile(join(temp.spool.done, 'doorbell.call'), '');
    await expect(createDisposal(temp.spool, 0).dispose('doorbell.call')).rejects.toMatchObject({
      code: 'spool_name_refused',
    });
    await expect(quarantine(temp.spool, 'doorbell.call', temp.spool.done)).rejects.toMatchObject({
      code: 'spool_name_refused',
    });
    expect(await list(temp.spool.done)).toEqual(['doorbell.call']);
  });
});
