/*
 * Each scenario is a defect of ding-dong 0.1.7. It must pass on our server and fail, in the way `defect` says, on the
 * bare library: an upgrade that cures one is noticed here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import dingDong from 'ding-dong';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createAgiServer } from '../../src/agi/server.js';
import { environment, FakeAsterisk, type FakeCall, memoryLog, parseArguments } from './fake-asterisk.js';
import { bare, type Call, type Library, type Options, ours, type Script, type Server } from './libraries.js';

type Scenario = { name: string; defect: RegExp; run(library: Library): Promise<void> };

const openCalls: FakeAsterisk[] = [];
const openServers: Server[] = [];

afterEach(async () => {
  for (const call of openCalls.splice(0)) call.reset();
  for (const server of openServers.splice(0)) await server.stop();
});

async function start(library: Library, script: Script, options: Options = {}): Promise<Server> {
  const server = await library.start(script, options);
  openServers.push(server);
  return server;
}

async function dial(port: number, call: FakeCall = {}, after = ''): Promise<FakeAsterisk> {
  const asterisk = await FakeAsterisk.call(port, call, after);
  openCalls.push(asterisk);
  return asterisk;
}

async function within<T>(library: Library, what: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('nothing happened')), library.patience);
  });
  try {
    return await Promise.race([what, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a server and one call of it; resolves with both ends. */
async function session(library: Library, options: Options = {}, call: FakeCall = {}, after = '') {
  let resolve: (call: Call) => void;
  const answered = new Promise<Call>((done) => {
    resolve = done;
  });
  const server = await start(library, (one) => resolve(one), options);
  const asterisk = await dial(server.port, call, after);
  return { server, asterisk, call: await within(ours, answered) };
}

/** How a command ended: `done`, or the name of its error. */
const ending = (command: Promise<unknown>) =>
  command.then(
    () => 'done',
    (error: Error) => error.name,
  );

const hangupOf = (call: Call) =>
  new Promise<string>((resolve) => {
    call.onHangup(() => resolve('hangup'));
  });

const NOTHING = /nothing happened/;
const USAGE = [
  'Usage: STREAM FILE <filename> <escape digits>',
  '',
  '520 is not its end',
  '520 End of proper usage.',
];

const scenarios: Scenario[] = [
  {
    name: 'keeps what follows the second colon of a value',
    defect: /expected 'agi' to be/,
    async run(library) {
      const { call } = await session(library);
      expect(call.variables.agi_request).toBe('agi://127.0.0.1/test');
    },
  },
  ...[
    ['510', '510 Invalid or unknown command', 'AgiCommandError'],
    ['511', '511 Command Not Permitted on a dead channel or intercept routine', 'HangupError'],
    ['520 of one line', '520 Invalid command syntax.  Proper usage not available.', 'AgiCommandError'],
    [
      '520 of many lines',
      `520-Invalid command syntax.  Proper usage follows:\n${USAGE.join('\n')}`,
      'AgiCommandError',
    ],
  ].map(([kind, reply, error]) => ({
    name: `settles a command that was answered with ${kind}`,
    defect: NOTHING,
    async run(library: Library) {
      const { asterisk, call } = await session(library);
      const end = ending(call.play('hello', ''));
      await asterisk.answer(reply!);
      expect(await within(library, end)).toBe(error);
    },
  })),
  {
    name: 'settles a command when the connection closes under it',
    defect: NOTHING,
    async run(library) {
      const { asterisk, call } = await session(library);
      const end = ending(call.play('hello', ''));
      await asterisk.next();
      asterisk.close();
      expect(await within(library, end)).toBe('HangupError');
    },
  },
  {
    name: 'does not take a refused command for a hangup',
    defect: /expected 'hangup' to be 'AgiCommandError'/,
    async run(library) {
      const { asterisk, call } = await session(library);
      const end = Promise.race([hangupOf(call), ending(call.play('hello', ''))]);
      await asterisk.answer('510 Invalid or unknown command');
      expect(await within(library, end)).toBe('AgiCommandError');
    },
  },
  {
    name: 'keeps a reply that is split behind a HANGUP',
    defect: NOTHING,
    async run(library) {
      const { asterisk, call } = await session(library);
      const hangup = hangupOf(call);
      const played = call.play('hello', '');
      await asterisk.next();
      asterisk.send('HANGUP\n200 res');
      await within(library, hangup);
      asterisk.send('ult=0 endpos=-1\n');
      expect(await within(library, played)).toEqual({ digit: null, playedMs: null });
    },
  },
  {
    name: 'hears a HANGUP that comes together with the environment',
    defect: NOTHING,
    async run(library) {
      const { call } = await session(library, {}, {}, 'HANGUP\n');
      await within(library, hangupOf(call));
      expect(call.variables).not.toHaveProperty('HANGUP');
    },
  },
  {
    name: 'gives each of two commands its own reply',
    defect: /nothing happened|deeply equal/,
    async run(library) {
      const { asterisk, call } = await session(library);
      const both = Promise.all([call.play('one', '1'), call.play('two', '2')]);
      await asterisk.answer('200 result=49 endpos=100');
      await asterisk.answer('200 result=50 endpos=200');
      expect(await within(library, both)).toEqual([
        { digit: '1', playedMs: 100 },
        { digit: '2', playedMs: 200 },
      ]);
    },
  },
  {
    name: 'lets no line break in an argument begin another command',
    defect: /expected 'SET VARIABLE NAME "x' to contain 'AFTER'/,
    async run(library) {
      const { asterisk, call } = await session(library);
      call.setVariable('NAME', 'x"\nEXEC System "touch /tmp/owned').catch(() => {});
      call.setVariable('AFTER', '1').catch(() => {});
      expect((await asterisk.next()).replace(/"$/, '')).toContain('AFTER');
    },
  },
  {
    name: 'sends quotes and backslashes so that Asterisk reads them as they were',
    defect: /deeply equal/,
    async run(library) {
      const { asterisk, call } = await session(library);
      const value = 'say "hi" \\ and "" leave \\"';
      call.setVariable('NAME', value).catch(() => {});
      expect(parseArguments(await asterisk.next())).toEqual(['SET', 'VARIABLE', 'NAME', value]);
    },
  },
  ...[
    ['bytes', `agi_network: ${'x'.repeat(70_000)}`],
    ['lines', Array.from({ length: 1_100 }, (_, n) => `agi_${n}: x\n`).join('')],
  ].map(([kind, flood]) => ({
    name: `limits the ${kind} of the environment`,
    defect: NOTHING,
    async run(library: Library) {
      const { port } = await start(library, () => {});
      const asterisk = await FakeAsterisk.connect(port);
      openCalls.push(asterisk);
      asterisk.send(flood!);
      await within(library, asterisk.closed);
    },
  })),
  {
    name: 'limits the time of the environment',
    defect: NOTHING,
    async run(library) {
      const { port } = await start(library, () => {}, { limits: { envTimeoutMs: 30 } });
      const asterisk = await FakeAsterisk.connect(port);
      openCalls.push(asterisk);
      asterisk.send(environment().slice(0, -1));
      await within(library, asterisk.closed);
    },
  },
  {
    name: 'limits the time of a command',
    defect: NOTHING,
    async run(library) {
      const { call } = await session(library, { limits: { commandTimeoutMs: 30 } });
      expect(await within(library, ending(call.play('hello', '')))).toBe('CampanileError');
    },
  },
  {
    name: 'keeps endpos apart from the result',
    defect: /deeply equal/,
    async run(library) {
      const { asterisk, call } = await session(library);
      const played = call.play('hello', '0123456789');
      await asterisk.answer('200 result=53 endpos=10880');
      expect(await within(library, played)).toEqual({ digit: '5', playedMs: 10_880 });
    },
  },
  {
    name: 'takes any number of hangup listeners',
    defect: /MaxListenersExceeded/,
    async run(library) {
      const { asterisk, call } = await session(library);
      const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
      onTestFinished(() => void warned.mockRestore());
      const all = Promise.all(Array.from({ length: 20 }, () => hangupOf(call)));
      asterisk.hangUp();
      await within(library, all);
      const names = warned.mock.calls.map(([warning]) => (warning as Error).name).join();
      expect(names, names).toBe('');
    },
  },
  {
    name: 'tells a late listener of the hangup too',
    defect: NOTHING,
    async run(library) {
      const { asterisk, call } = await session(library);
      const first = hangupOf(call);
      asterisk.hangUp();
      await within(library, first);
      await within(library, hangupOf(call));
    },
  },
  {
    name: 'listens on loopback unless told otherwise, and on any free port for port 0',
    defect: /"::"|'::'|3000/,
    async run(library) {
      const { port, address } = await start(library, () => {}, { anywhere: true });
      expect({ port, address }).toEqual({ port: expect.any(Number), address: '127.0.0.1' });
      expect(port).not.toBe(3000);
    },
  },
  {
    name: 'asks the kernel for a long backlog',
    defect: /expected undefined to be 4096/,
    async run(library) {
      const listen = vi.spyOn(net.Server.prototype, 'listen');
      onTestFinished(() => void listen.mockRestore());
      await start(library, () => {});
      const [how] = listen.mock.calls[0] as unknown as [{ backlog?: number }];
      expect(how.backlog).toBe(4096);
    },
  },
  {
    name: 'closes the open sessions when it stops',
    defect: NOTHING,
    async run(library) {
      const { server, asterisk } = await session(library);
      await server.stop();
      await within(library, asterisk.closed);
    },
  },
];

describe('our server', () => {
  it.each(scenarios)('$name', ({ run }) => run(ours));
});

describe('the bare library fails where ours', () => {
  it.each(scenarios)('$name', async ({ run, defect }) => {
    await expect(run(bare)).rejects.toThrow(defect);
  });

  it('takes port 0 for 3000', async () => {
    const server = dingDong(() => {}).start(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    const port = await Promise.race([
      once(server, 'listening').then(() => (server.address() as AddressInfo).port),
      once(server, 'error').then(([error]) => (error as { port: number }).port),
    ]);
    expect(port).toBe(3000);
  });
});

/** The faults that end the process: each must leave a server that still serves the next call. */
const faults: { name: string; run(port: number): Promise<void> }[] = [
  {
    name: 'a connection that is reset',
    async run(port) {
      const asterisk = await dial(port);
      await asterisk.next();
      asterisk.reset();
      await asterisk.closed;
    },
  },
  {
    name: 'a script that throws',
    async run(port) {
      await (await dial(port, { args: ['throw'] })).closed;
    },
  },
];

async function serves(port: number): Promise<void> {
  const asterisk = await dial(port);
  expect(await asterisk.next()).toMatch(/STREAM FILE/);
}

/** The bare library in a process of its own, whose script does what our scripts below do. */
const CHILD = `
  const server = require('ding-dong')((context) => {
    context.onEvent('variables').then((variables) => {
      if (variables.agi_arg_1 === 'throw') throw new Error('a fault in a script');
      return context.streamFile('hello');
    });
  }).start('0', '127.0.0.1');
  server.on('listening', () => console.log(server.address().port));
`;

describe.each(faults)('after $name', ({ run }) => {
  it('our server serves the next call', async () => {
    const script = async (session: { request: { args: string[] }; play(name: string): Promise<unknown> }) => {
      if (session.request.args[0] === 'throw') throw new Error('a fault in a script');
      await session.play('hello');
    };
    const server = createAgiServer({ port: 0, log: memoryLog().log, scripts: { test: script } });
    const { port } = await server.start();
    onTestFinished(() => server.stop(0));
    await run(port);
    await serves(port);
  });

  it('the bare library has ended its process', async () => {
    const child: ChildProcess = spawn(process.execPath, ['-e', CHILD], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void child.kill());
    const exited = once(child, 'exit');
    const [port] = await once(child.stdout!, 'data');
    await run(Number(port));
    expect((await exited)[0]).toBe(1);
    await expect(serves(Number(port))).rejects.toThrow('ECONNREFUSED');
  });
});
