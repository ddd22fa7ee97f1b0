import { readFileSync, statSync, utimesSync, watch } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, vi } from 'vitest';
import { parseCallFile } from '../../src/spool/call-file.js';
import { inRoom, WAIT } from './in-room.js';

const RETRY_TIME = 864_000;

describe('the spool', () => {
  inRoom.concurrent(
    'keeps the file of a call in outgoing/ with its StartRetry and a time that lies ahead',
    async ({ room }) => {
      await room.serve();
      await room.start();
      const before = Math.floor(Date.now() / 1000);
      const call = room.place('PJSIP/+1555000180@trunk', { WaitTime: '3600' });
      const path = join(room.outgoing, `${call}.call`);
      const entry = await vi.waitFor(() => {
        const [first] = parseCallFile(readFileSync(path, 'utf8')).diary;
        if (!first) throw new Error('not begun');
        return first;
      }, WAIT);
      const begun = entry.time.getTime() / 1000 - RETRY_TIME;
      expect(entry).toMatchObject({ key: 'StartRetry', pid: process.pid, retries: 1 });
      expect(begun).toBeGreaterThanOrEqual(before);
      expect(begun).toBeLessThanOrEqual(Date.now() / 1000);
      expect(statSync(path).mtimeMs / 1000).toBe(begun + 2 * RETRY_TIME);
    },
  );

  inRoom.concurrent('moves a file to outgoing_done/ before it writes the Status line', async ({ room }) => {
    await room.serve();
    await room.start();
    await room.status(room.place('PJSIP/+1555000486@trunk'));
    const changes: string[] = [];
    const watcher = watch(room.done, (event, name) => changes.push(`${event} ${name}`));
    const call = room.place('PJSIP/+1555000486@trunk');
    await vi.waitFor(() => expect(changes).toContain(`change ${call}.call`), WAIT);
    watcher.close();
    expect(changes.indexOf(`rename ${call}.call`)).toBeGreaterThanOrEqual(0);
    expect(changes.indexOf(`rename ${call}.call`)).toBeLessThan(changes.indexOf(`change ${call}.call`));
    expect(await room.status(call)).toBe('Expired');
    expect(room.files()).toEqual([]);
  });

  inRoom.concurrent(
    'takes the files that were there before it, and none whose time lies ahead',
    async ({ room }) => {
      await room.serve();
      const early = room.place('PJSIP/+1555000486@trunk');
      const late = join(room.outgoing, 'late.call');
      room.placeText('late.call', readFileSync(join(room.outgoing, `${early}.call`), 'utf8'), (path) =>
        utimesSync(path, new Date(), new Date(Date.now() + 60_000)),
      );
      await room.start();
      expect(await room.status(early)).toBe('Expired');
      expect(room.files()).toEqual(['late.call']);
      utimesSync(late, new Date(), new Date(Date.now() - 1000));
      room.placeText('late.call', readFileSync(late, 'utf8'));
      expect(await room.status('late')).toBe('Expired');
    },
  );

  inRoom.concurrent(
    'archives as Failed what has no channel, no extension or is no call file',
    async ({ room }) => {
      await room.serve();
      const pbx = await room.start();
      room.placeText('nobody.call', 'Context: campanile-answered\nExtension: s\nArchive: yes\n');
      room.placeText('nowhere.call', 'Channel: PJSIP/+1555000486@trunk\nArchive: yes\n');
      room.placeText('garbage', `Archive: yes\n${'\0\xff;#:\n'.repeat(50_000)}`);
      for (const name of ['nobody.call', 'nowhere.call', 'garbage']) {
        await vi.waitFor(() => {
          expect(readFileSync(join(room.done, name), 'utf8')).toMatch(/Status: Failed\n$/);
        }, WAIT);
      }
      expect(pbx.total).toBe(0);
    },
  );

  inRoom.concurrent('deletes a file that does not ask to be archived', async ({ room }) => {
    await room.serve();
    const pbx = await room.start();
    room.place('PJSIP/+1555000486@trunk', { Archive: null });
    await vi.waitFor(() => expect([pbx.total, room.files()]).toEqual([1, []]), WAIT);
    expect(room.files(room.spoolDir)).toEqual(['outgoing']);
  });

  inRoom.concurrent('tries again by itself when MaxRetries says so', async ({ room }) => {
    await room.serve();
    const pbx = await room.start();
    const call = room.place('PJSIP/+1555000486@trunk', { MaxRetries: '1', RetryTime: '1' });
    expect(await room.status(call)).toBe('Expired');
    expect(pbx.total).toBe(2);
    const { diary } = parseCallFile(readFileSync(join(room.done, `${call}.call`), 'utf8'));
    expect(diary.map(({ key, retries }) => `${key} ${retries}`)).toEqual([
      'StartRetry 1',
      'EndRetry 1',
      'StartRetry 2',
    ]);
  });

  inRoom.concurrent('notes a call that outlasts its RetryTime', async ({ room }) => {
    await room.serve();
    await room.start();
    const call = room.place('PJSIP/+1555000180@trunk', { WaitTime: '3600', RetryTime: '1' });
    await vi.waitFor(() => {
      expect(readFileSync(join(room.outgoing, `${call}.call`), 'utf8')).toContain('DelayedRetry: ');
    }, WAIT);
  });

  inRoom.concurrent('refuses calls above maxCalls with 503', async ({ room }) => {
    await room.serve();
    const pbx = await room.start({ maxCalls: 1 });
    room.place('PJSIP/+1555000180@trunk', { WaitTime: '3600' });
    await vi.waitFor(() => expect(pbx.upNow).toBe(1), WAIT);
    const call = room.place('PJSIP/+1555000200@trunk');
    expect(await room.status(call)).toBe('Expired');
    expect(room.report(call)).toMatchObject({ sipStatus: 503, hangupCause: 34 });
  });
});
