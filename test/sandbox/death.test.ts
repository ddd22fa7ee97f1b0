import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, vi } from 'vitest';
import { begunAt, parseCallFile } from '../../src/spool/call-file.js';
import { inRoom, WAIT } from './in-room.js';
import type { Room } from './room.js';

describe('the end of the sandbox', () => {
  const ringing = { WaitTime: '3600' };
  const read = (room: Room, call: string) => readFileSync(join(room.outgoing, `${call}.call`), 'utf8');
  const pidFile = (room: Room) => join(room.runDir, 'asterisk.pid');

  inRoom.concurrent(
    'stop hangs up all calls, reports and archives them, and takes its run files away',
    async ({ room }) => {
      await room.serve();
      const pbx = await room.start({ speed: 1 });
      const rings = room.place('PJSIP/+1555000180@trunk', ringing);
      const talks = room.place('PJSIP/+1555000200@trunk', ringing);
      await vi.waitFor(() => expect(pbx.calls().filter((call) => call.answeredAt)).toHaveLength(1), WAIT);
      await vi.waitFor(() => expect(pbx.upNow).toBe(2), WAIT);
      expect(readFileSync(pidFile(room), 'utf8')).toBe(`${process.pid}\n`);
      await pbx.stop();
      await pbx.stop();
      expect(pbx).toMatchObject({ upNow: 0, maxConcurrent: 2 });
      expect([await room.status(rings), await room.status(talks)]).toEqual(['Expired', 'Completed']);
      expect(room.report(rings)).toMatchObject({ sipStatus: 180, hungUpBy: 'pbx' });
      expect(room.report(talks)).toMatchObject({ sipStatus: 200, hungUpBy: 'pbx' });
      expect([existsSync(pidFile(room)), existsSync(join(room.runDir, 'asterisk.ctl'))]).toEqual([
        false,
        false,
      ]);
    },
  );

  inRoom.concurrent(
    'after kill the files stay, and the next start is told to be younger than their calls',
    async ({ room }) => {
      await room.serve();
      const pbx = await room.start({ speed: 1 });
      const rings = room.place('PJSIP/+1555000180@trunk', ringing);
      const talks = room.place('PJSIP/+1555000200@trunk', ringing);
      await vi.waitFor(() => expect(pbx.calls().filter((call) => call.answeredAt)).toHaveLength(1), WAIT);
      await vi.waitFor(() => expect(pbx.upNow).toBe(2), WAIT);
      const before = [read(room, rings), read(room, talks)];
      pbx.kill();
      room.place('PJSIP/+1555000486@trunk');
      expect(existsSync(pidFile(room))).toBe(true);

      const next = await room.start();
      await vi.waitFor(() => expect(next.total).toBe(1), WAIT);
      expect([read(room, rings), read(room, talks)]).toEqual(before);
      expect(room.notes.get(rings)).toBeUndefined();
      expect(room.report(talks)).toBeUndefined();
      const path = join(room.outgoing, `${talks}.call`);
      const begun = begunAt(parseCallFile(read(room, talks)), statSync(path).mtime);
      expect(begun?.getTime()).toBeLessThan(statSync(pidFile(room)).mtimeMs);
    },
  );

  inRoom.concurrent(
    'a new process dials an old file again once its time has come, and gives it up after one more',
    async ({ room }) => {
      await room.serve();
      const pbx = await room.start({ speed: 1, pid: 41 });
      const call = room.place('PJSIP/+1555000180@trunk', { ...ringing, RetryTime: '1' });
      await vi.waitFor(() => expect(read(room, call)).toContain('StartRetry: 41 1'), WAIT);
      pbx.kill();
      const next = await room.start({ speed: 1, pid: 42 });
      expect(await room.status(call)).toBe('Expired');
      expect(next.upNow).toBe(1);
      const text = readFileSync(join(room.done, `${call}.call`), 'utf8');
      expect(text).toContain('AbortRetry: 42 1');
      expect(text).toContain('StartRetry: 42 1');
    },
  );

  inRoom.concurrent(
    'a process of the same pid never dials it again and never lets it go',
    async ({ room }) => {
      await room.serve();
      const pbx = await room.start({ speed: 1, pid: 1 });
      const call = room.place('PJSIP/+1555000180@trunk', { ...ringing, RetryTime: '1' });
      await vi.waitFor(() => expect(read(room, call)).toContain('StartRetry: 1 1'), WAIT);
      pbx.kill();
      const next = await room.start({ speed: 1, pid: 1 });
      await vi.waitFor(() => expect(read(room, call)).toContain('DelayedRetry: 1 0'), WAIT);
      expect(next.total).toBe(0);
    },
  );
});
