import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import type { AgiSession } from '../../src/agi/session.js';
import { splitArguments } from '../../src/sandbox/agi-command.js';
import { inRoom, WAIT } from './in-room.js';

describe('FastAGI', () => {
  inRoom.concurrent(
    'a call answered while FastAGI is down hears the fallback and leaves its report in a file',
    async ({ room }) => {
      await room.start({ instant: true });
      const call = room.place('PJSIP/+1555000200@trunk');
      expect(await room.status(call)).toBe('Completed');
      expect(room.leftReport(call)).toMatch(
        /^hangup\|16\|200\|\|PJSIP\/trunk-[0-9a-f]{8}\|dialplan\/builtin\|1\.100000\|1\.000000$/,
      );
    },
  );

  inRoom.concurrent('a report that the server did not confirm is left in a file', async ({ room }) => {
    await room.serve({ hangup: async () => {} });
    await room.start();
    const call = room.place('PJSIP/+1555000486@trunk');
    expect(await room.status(call)).toBe('Expired');
    expect(room.leftReport(call)).toMatch(
      /^hangup\|17\|486\|\|(PJSIP\/trunk-[0-9a-f]{8})\|\1\|\d+\.\d{6}\|0\.000000$/,
    );
  });

  inRoom.concurrent('a script that fails is AGISTATUS=FAILURE, which is the fallback', async ({ room }) => {
    await room.serve({
      answered: async () => {
        throw new Error('no database');
      },
    });
    await room.start();
    const call = room.place('PJSIP/+1555000200@trunk');
    expect(await room.status(call)).toBe('Completed');
    expect(room.report(call)?.talkSeconds).toBeGreaterThanOrEqual(1);
  });

  inRoom.concurrent.for([
    ['200', 'HUMAN', 'HUMAN-800-800', 1_500, 2_500],
    ['206', 'MACHINE', 'LONGGREETING-1500-1500', 1_900, 7_000],
    ['207', 'NOTSURE', 'TOOLONG-5000', 5_000, 6_000],
  ] as const)('%s is heard by AMD as %s', async ([code, status, cause, decidedAt, silentAt], { room }) => {
    const heard: unknown[] = [];
    await room.serve({
      answered: async (session: AgiSession) => {
        await session.exec('AMD', '2500,1500');
        heard.push(await session.getVariable('AMDSTATUS'), await session.getVariable('AMDCAUSE'));
        heard.push(await session.exec('WaitForSilence', '1000,1,60'));
        heard.push(await session.getVariable('WAITSTATUS'));
        await session.hangup();
      },
    });
    await room.start({ instant: true });
    const call = room.place(`PJSIP/+1555000${code}@trunk`);
    expect(await room.status(call)).toBe('Completed');
    expect(heard).toEqual([status, cause, 0, 'SILENCE']);
    expect(decidedAt).toBeLessThan(silentAt);
    expect(room.report(call)?.talkSeconds).toBeCloseTo(silentAt / 1000, 3);
  });

  inRoom.concurrent('the commands of a session are done', async ({ room }) => {
    const done: unknown[] = [];
    await room.serve({
      answered: async (session: AgiSession) => {
        const { script, args, variables } = session.request;
        done.push(script, args.length, variables.agi_callerid, variables.agi_type);
        await session.setVariable('MOOD', 'a "quoted" \\ one');
        done.push(await session.getVariable('MOOD'), await session.getVariable('NONE'));
        await session.verbose('hello');
        done.push(await session.exec('Wait', '0.1'), await session.exec('NoOp'));
        done.push(await session.exec('Frobnicate').catch((error: Error) => error.name));
        done.push(await session.play('/nowhere').catch((error: Error) => error.name));
        done.push(await session.waitForDigit(100));
        done.push(await session.waitForDigit(10_000));
        await session.hangup();
        await vi.waitFor(() => expect(session.hungUp).toBe(true), WAIT);
      },
    });
    await room.start({ instant: true });
    const call = room.place('PJSIP/+1555000205@trunk');
    expect(await room.status(call)).toBe('Completed');
    expect(done).toEqual([
      '/answered',
      2,
      '+15550001111',
      'PJSIP',
      'a "quoted" \\ one',
      null,
      0,
      0,
      'AgiCommandError',
      'AgiCommandError',
      null,
      '5',
    ]);
    expect(room.report(call)?.hungUpBy).toBe('campanile');
  });

  inRoom.concurrent(
    'unknown and wrong commands, and those that a dead channel refuses, get their codes',
    async ({ room }) => {
      const raw = await rawServer([
        'FROBNICATE\n',
        'control stream file\n',
        'WAIT FOR DIGIT soon\n',
        `CONTROL STREAM FILE "${room.sound}" "" 1000 x x x\n`,
        'HANGUP\n',
      ]);
      room.agi = raw.url;
      await room.start({ instant: true });
      const call = room.place('PJSIP/+1555000203@trunk');
      expect(await room.status(call)).toBe('Completed');
      await vi.waitFor(() => expect(raw.heard('/hangup').at(-1)).toBe('HANGUP'), WAIT);
      await raw.close();
      expect(raw.heard('/answered')).toEqual([
        '510 Invalid or unknown command',
        '520-Invalid command syntax.  Proper usage follows:',
        'Usage: CONTROL STREAM FILE FILENAME ESCAPE_DIGITS [SKIPMS] [FFCHAR] [REWCHR] [PAUSECHR] [OFFSETMS]',
        '520 End of proper usage.',
        '520-Invalid command syntax.  Proper usage follows:',
        'Usage: WAIT FOR DIGIT TIMEOUT',
        '520 End of proper usage.',
        '200 result=-1 endpos=500',
        'HANGUP',
        'HANGUP',
      ]);
      expect(raw.heard('/hangup').slice(3)).toContain('511 Command Not Permitted on a dead channel');
    },
  );

  inRoom.concurrent(
    'the message is heard to its end although the server ends in the middle of it',
    async ({ room }) => {
      const server = await room.serve();
      const pbx = await room.start({ speed: 1 });
      const call = room.place('PJSIP/+1555000200@trunk');
      await vi.waitFor(() => expect(server.sessions).toBe(1), WAIT);
      await server.stop(0);
      expect(await room.status(call)).toBe('Completed');
      expect(room.leftReport(call)).toContain('|dialplan/builtin|');
      expect(pbx.upNow).toBe(0);
    },
  );
});

test.each([
  ['STREAM FILE "a b" ""', ['STREAM', 'FILE', 'a b', '']],
  ['SET VARIABLE X "say \\"hi\\" \\\\"', ['SET', 'VARIABLE', 'X', 'say "hi" \\']],
  ['  VERBOSE\ta\\ b  1 ', ['VERBOSE', 'a b', '1']],
  ['', []],
])('%s is split as parse_args() does', (line, words) => {
  expect(splitArguments(line)).toEqual(words);
});

/** A FastAGI server that sends each session the same lines, the next when the one before was answered. */
async function rawServer(lines: string[]) {
  const sessions = new Map<string, string[]>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const left = [...lines];
    let text = '';
    let answered = 0;
    socket.setEncoding('utf8').on('error', () => {});
    socket.on('data', (chunk: string) => {
      text += chunk;
      const [environment, replies] = text.split('\n\n');
      if (replies === undefined) return;
      const script = /agi_request: agi:\/\/[^/]*(\S*)/.exec(environment!)?.[1] ?? '';
      const complete = replies.split('\n').slice(0, -1);
      sessions.set(script, complete);
      const over = complete.filter((line) => /^[25]\d\d /.test(line)).length;
      if (over < answered) return;
      answered = over + 1;
      const next = left.shift();
      if (next) socket.write(next);
      else socket.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `agi://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: (script: string) => sessions.get(script) ?? [],
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
