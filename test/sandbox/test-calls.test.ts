import { describe, expect } from 'vitest';
import { createTestManners } from '../../src/sandbox/test-numbers.js';
import { startSandboxThread } from '../../src/sandbox/thread.js';
import { compile } from '../support/program.js';
import { inRoom } from './in-room.js';
import { log } from './room.js';

describe('the sandbox of test calls', () => {
  inRoom('finds FastAGI where it is now, whatever the call file says', async ({ room }) => {
    await room.serve();
    const agiUrl = room.agi;
    room.agi = 'agi://127.0.0.1:1';
    await room.start({ agiUrl, mannerOf: createTestManners() });
    const call = room.place('PJSIP/+12125550102@trunk');
    expect(await room.status(call)).toBe('Completed');
    expect(room.notes.get(call)).toMatchObject({ key: '2' });
  });

  inRoom('presses one key after the other, one for each time that it is asked', async ({ room }) => {
    const pressed: (string | null)[] = [];
    await room.serve({
      answered: async (session) => {
        for (let asked = 0; asked < 3; asked += 1)
          pressed.push((await session.play(room.sound, '0123456789*#')).digit);
      },
    });
    await room.start({ mannerOf: createTestManners() });
    const call = room.place('PJSIP/+12125550113@trunk');
    expect(await room.status(call)).toBe('Completed');
    expect(pressed).toEqual(['1', '2', null]);
  });

  inRoom(
    'presses a key again that the caller did not ask for, and not while he goes on',
    async ({ room }) => {
      const keys = '0123456789*#';
      const pressed: (string | null)[] = [];
      await room.serve({
        answered: async (session) => {
          const { digit, playedMs } = await session.play(room.sound, keys);
          pressed.push(digit, (await session.play(room.sound, keys, { fromMs: playedMs! })).digit);
          for (let asked = 0; asked < 2; asked += 1)
            pressed.push((await session.play(room.sound, keys)).digit);
        },
      });
      await room.start({ mannerOf: createTestManners() });
      const call = room.place('PJSIP/+12125550113@trunk');
      expect(await room.status(call)).toBe('Completed');
      expect(pressed).toEqual(['1', null, '1', '2']);
    },
  );

  inRoom('runs in a thread, which ends when it is told', async ({ room }) => {
    await compile();
    await room.serve();
    const { spoolDir, runDir } = room;
    const options = { spoolDir, runDir, agiUrl: room.agi, speed: 10, logLevel: 'silent' };
    const thread = await startSandboxThread(options, log);
    const call = room.place('PJSIP/+12125550130@trunk');
    expect(await room.status(call)).toBe('Expired');
    expect(room.report(call)).toMatchObject({ sipStatus: 486 });
    await thread.stop();
    await thread.stop();
    room.place('PJSIP/+12125550130@trunk');
    expect(room.files()).toHaveLength(1);
  });
});
