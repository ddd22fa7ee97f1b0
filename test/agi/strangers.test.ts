import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { mostStrangers } from '../../src/agi/limits.js';
import { type AgiScript, type AgiServerOptions, createAgiServer } from '../../src/agi/server.js';
import { packageRoot } from '../../src/root.js';
import { compile } from '../support/program.js';
import { FakeAsterisk, memoryLog } from './fake-asterisk.js';

/** A script that shows a token and then talks until it is answered. */
const talk: AgiScript = async (session) => {
  session.admit();
  await session.waitForDigit(1_000);
};

async function started(options: Partial<AgiServerOptions>) {
  const { log, lines } = memoryLog();
  const server = createAgiServer({ port: 0, log, scripts: { test: talk }, ...options });
  const { port } = await server.start();
  onTestFinished(() => server.stop(0));
  return { server, port, lines };
}

const silent = (port: number, count: number) =>
  Promise.all(Array.from({ length: count }, () => FakeAsterisk.connect(port)));

/** How many of them are closed. */
function closedOf(connections: readonly FakeAsterisk[]): () => number {
  let closed = 0;
  for (const connection of connections) void connection.closed.then(() => (closed += 1));
  return () => closed;
}

async function talksToItsEnd(call: FakeAsterisk): Promise<void> {
  expect(await call.answer('200 result=0')).toContain('WAIT FOR DIGIT');
  await call.closed;
  expect(call.lines).toHaveLength(1);
}

describe('connections that have shown no token', () => {
  it('are closed, the oldest first, when there are too many, and calls get in', async () => {
    const { server, port, lines } = await started({ maxStrangers: 10 });
    const first = await silent(port, 10);
    const closed = closedOf(first);
    const later = await silent(port, 10);
    await vi.waitFor(() => expect([closed(), server.sessions]).toEqual([10, 10]));
    const call = await FakeAsterisk.call(port);
    await talksToItsEnd(call);
    expect(lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg)).toContain(
      'closed agi connections that had not shown the token of a call',
    );
    expect(closedOf(later)()).toBe(0);
  });

  it('keep no call out, nor end one, however many come', async () => {
    const { server, port } = await started({ maxStrangers: 20, maxSessions: 5 });
    const before = await Promise.all([FakeAsterisk.call(port), FakeAsterisk.call(port)]);
    const ended = closedOf(before);
    await Promise.all(before.map((call) => call.next()));
    for (let round = 0; round < 20; round += 1) {
      await silent(port, 50);
      await talksToItsEnd(await FakeAsterisk.call(port));
    }
    expect(ended()).toBe(0);
    for (const call of before) {
      call.send('200 result=0\n');
      await call.closed;
      expect(call.lines).not.toContain('failure');
    }
    await vi.waitFor(() => expect(server.sessions).toBeLessThanOrEqual(20));
  });

  it('are none of many calls that come in one moment', async () => {
    const hold = join(await mkdtemp(join(tmpdir(), 'campanile-hold-')), 'held');
    await writeFile(hold, '');
    const port = await serverInChild({ hold, maxStrangers: 10 });
    const calls = await Promise.all(Array.from({ length: 300 }, () => FakeAsterisk.call(port)));
    // All have said who they are before the server looks at the first.
    await rm(hold);
    await Promise.all(calls.map(talksToItsEnd));
  });

  it('are a quarter of the files that may be open, and never more than 4,096', () => {
    const limits = (files: string) =>
      `Limit      Soft Limit   Hard Limit   Units\nMax open files   ${files}    ${files}   files\n`;
    expect(['1024', '256', '524288', 'unlimited'].map((files) => mostStrangers(limits(files)))).toEqual([
      256, 64, 4096, 256,
    ]);
    expect(mostStrangers('')).toBe(256);
  });
});

describe('in a process that may open few files', () => {
  it('strangers leave most of them to calls', async () => {
    const port = await serverInChild({ files: 200 });
    const strangers = Array.from({ length: 1_000 }, () => stranger(port));
    onTestFinished(() => {
      for (const socket of strangers) socket.destroy();
    });
    await Promise.all(strangers.map((socket) => once(socket, 'connect')));
    const talking = await Promise.all(Array.from({ length: 100 }, () => FakeAsterisk.call(port)));
    await Promise.all(talking.map(talksToItsEnd));
  });
});

function stranger(port: number): Socket {
  return connect({ port, host: '127.0.0.1' }).on('error', () => {});
}

/** The server in a process that may open `files` files, and does nothing while there is a file `hold`; its port. */
async function serverInChild({ files = 2_000, hold = '', maxStrangers = 0 }): Promise<number> {
  await compile();
  const options = `limits: { envTimeoutMs: 600_000 }, ${maxStrangers > 0 ? `maxStrangers: ${maxStrangers}` : ''}`;
  const script = `
    import { createAgiServer } from ${JSON.stringify(join(packageRoot, 'dist/src/agi/server.js'))};
    import { existsSync, writeSync } from 'node:fs';
    import { pino } from 'pino';
    const test = async (session) => { session.admit(); await session.waitForDigit(1000); };
    const server = createAgiServer({ port: 0, log: pino({ level: 'silent' }), scripts: { test }, ${options} });
    writeSync(1, String((await server.start()).port));
    while (existsSync(${JSON.stringify(hold)}));`;
  const limited = [
    '-c',
    `ulimit -n ${files} && exec "$@"`,
    'bash',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ];
  const child: ChildProcess = spawn('bash', limited, {
    cwd: packageRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [port] = await once(child.stdout!, 'data');
  return Number(String(port));
}
