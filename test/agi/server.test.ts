import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { onceAMinute } from '../../src/agi/once-a-minute.js';
import { type AgiScript, type AgiServerOptions, createAgiServer } from '../../src/agi/server.js';
import { HangupError } from '../../src/agi/session.js';
import { environment, FakeAsterisk, memoryLog } from './fake-asterisk.js';

async function started(scripts: Record<string, AgiScript>, options: Partial<AgiServerOptions> = {}) {
  const { log, lines } = memoryLog();
  const server = createAgiServer({ port: 0, log, scripts, ...options });
  const { port } = await server.start();
  onTestFinished(() => server.stop(0));
  const logged = (level: string) => lines.filter((line) => line.level === level).map(({ msg }) => msg);
  return { server, port, lines, logged };
}

/** A script that is over when `release` is called, whatever becomes of its call. */
function held() {
  let release = () => {};
  let begun = () => {};
  const atWork = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const script: AgiScript = (session) =>
    new Promise((resolve) => {
      session.admit();
      release = resolve;
      begun();
    });
  return { script, atWork, release: () => release() };
}

const nothing: AgiScript = async () => {};

describe('who observes', () => {
  it('is told of first commands, and how sessions ended', async () => {
    const first: [string, number][] = [];
    const over: string[] = [];
    const { script, atWork, release } = held();
    const { server, port } = await started(
      {
        test: async (session) => {
          session.admit();
          await session.getVariable('X');
          await session.getVariable('Y');
        },
        broken: async () => Promise.reject(new Error('broken')),
        held: script,
      },
      {
        maxSessions: 2,
        observe: {
          firstCommand: (name, seconds) => first.push([name, seconds]),
          ended: (name, result) => over.push(`${name} ${result}`),
        },
      },
    );
    const call = async (name: string) => (await FakeAsterisk.call(port, { script: name })).closed;
    const asterisk = await FakeAsterisk.call(port, { script: 'test' });
    for (let i = 0; i < 2; i += 1) await asterisk.answer('200 result=0');
    await asterisk.closed;
    await call('broken');
    await call('nowhere');
    const hangs = await FakeAsterisk.call(port, { script: 'test' });
    await hangs.next();
    hangs.reset();
    await hangs.closed;
    await vi.waitFor(() => expect(server.sessions).toBe(0));
    const one = await FakeAsterisk.call(port, { script: 'held' });
    await atWork;
    const two = await FakeAsterisk.call(port, { script: 'test' });
    await two.next();
    await call('test');
    release();
    expect(first.map(([name]) => name)).toEqual(['test', 'test', 'test']);
    expect(first.every(([, seconds]) => seconds > 0 && seconds < 10)).toBe(true);
    await vi.waitFor(() =>
      expect(over).toEqual([
        'test served',
        'broken failed',
        'unknown failed',
        'test hangup',
        'unknown refused',
        'held served',
      ]),
    );
    one.close();
    two.close();
  });
});

describe('a session', () => {
  it('without a command is closed by us as soon as its script is over', async () => {
    const requests: string[][] = [];
    const { server, port, logged } = await started({
      hangup: async ({ request }) => void requests.push([request.script, ...request.args]),
    });
    const asterisk = await FakeAsterisk.call(port, { script: 'hangup', args: ['17', 'SIP 486 Busy Here'] });
    await asterisk.closed;
    expect(asterisk.lines).toEqual([]);
    expect(requests).toEqual([['/hangup', '17', 'SIP 486 Busy Here']]);
    await vi.waitFor(() => expect(server.sessions).toBe(0));
    expect([...logged('error'), ...logged('warn')]).toEqual([]);
  });

  it('is served when its bytes come one by one', async () => {
    const { port } = await started({
      '/test': async (session) => session.verbose(session.request.args[0] ?? ''),
    });
    const asterisk = await FakeAsterisk.connect(port);
    for (const byte of Buffer.from(environment({ args: ['già'] })).toString('latin1')) {
      asterisk.sendBytes(Buffer.from(byte, 'latin1'));
      await new Promise(setImmediate);
    }
    expect(await asterisk.answer('200 result=1')).toBe('VERBOSE "già" "1"');
    await asterisk.closed;
  });

  it('is closed although Asterisk does not close its side', async () => {
    // Long enough for a look every 50 ms to see the session.
    const { server, port } = await started({ test: nothing }, { limits: { closeTimeoutMs: 500 } });
    const asterisk = await FakeAsterisk.connect(port, { closes: false });
    onTestFinished(() => asterisk.reset());
    asterisk.send(environment());
    await vi.waitFor(() => expect(server.sessions).toBe(1));
    await vi.waitFor(() => expect(server.sessions).toBe(0));
  });

  it('that Asterisk only opens and closes leaves nothing behind', async () => {
    const { server, port } = await started({ test: nothing });
    const asterisk = await FakeAsterisk.connect(port);
    await vi.waitFor(() => expect(server.sessions).toBe(1));
    asterisk.close();
    await asterisk.closed;
    await vi.waitFor(() => expect(server.sessions).toBe(0));
  });
});

describe('a failure', () => {
  it('of a script is logged, ends the call with AGISTATUS=FAILURE, and the next is served', async () => {
    const { port, logged } = await started({
      late: async () => Promise.reject(new Error('no database')),
      early: () => {
        throw new Error('a fault');
      },
      test: nothing,
    });
    for (const script of ['late', 'early', 'test']) {
      const asterisk = await FakeAsterisk.call(port, { script });
      await asterisk.closed;
      expect(asterisk.lines).toEqual(script === 'test' ? [] : ['failure']);
    }
    expect(logged('error')).toEqual(['agi session failed: no database', 'agi session failed: a fault']);
  });

  it('that is only a hangup is no fault', async () => {
    const { server, port, logged } = await started({
      test: async (session) => void (await session.play('x')),
    });
    const asterisk = await FakeAsterisk.call(port);
    await asterisk.next();
    asterisk.send('200 result=-1 endpos=9\nHANGUP\n');
    await asterisk.closed;
    await vi.waitFor(() => expect(server.sessions).toBe(0));
    expect(asterisk.lines).toEqual([expect.stringContaining('STREAM FILE "x"')]);
    expect(logged('debug')).toEqual(['agi script ended by hangup']);
    expect(logged('error')).toEqual([]);
  });

  it.each(['other', '__proto__', 'constructor', ''])('is the unknown script "%s"', async (script) => {
    const { port, logged } = await started({ test: nothing });
    const asterisk = await FakeAsterisk.call(port, { script });
    await asterisk.closed;
    expect(asterisk.lines).toEqual(['failure']);
    expect(logged('error')).toEqual([
      `agi session failed: cannot serve agi: no script is called "${script}"`,
    ]);
  });

  it('that strikes many calls is logged once a minute', async () => {
    const { port, logged } = await started({});
    for (let call = 0; call < 5; call += 1) await (await FakeAsterisk.call(port)).closed;
    expect(logged('error')).toHaveLength(1);
    expect(logged('debug')).toHaveLength(4);
  });

  it('is a call above the number of sessions', async () => {
    const hold = held();
    const { port, logged } = await started({ test: hold.script }, { maxSessions: 1 });
    const first = await FakeAsterisk.call(port);
    await hold.atWork;
    const second = await FakeAsterisk.call(port);
    await second.closed;
    expect(second.lines).toEqual(['failure']);
    expect(logged('error')).toEqual(['cannot take an agi session: 1 are open']);
    hold.release();
    await first.closed;
  });
});

describe('a server', () => {
  it('may be stopped without a start, twice, and started again', async () => {
    const { log } = memoryLog();
    const server = createAgiServer({ port: 0, log, scripts: { test: nothing } });
    await server.stop();
    const { port } = await server.start();
    expect(await server.start()).toEqual({ port });
    await Promise.all([server.stop(), server.stop()]);
    await expect(FakeAsterisk.call(port)).rejects.toThrow('ECONNREFUSED');
    const again = await server.start();
    await (await FakeAsterisk.call(again.port)).closed;
    await server.stop();
  });

  it('that is stopped while it starts is stopped', async () => {
    const server = createAgiServer({ port: 0, log: memoryLog().log, scripts: {} });
    const starting = server.start();
    await server.stop();
    await expect(FakeAsterisk.call((await starting).port)).rejects.toThrow('ECONNREFUSED');
  });

  it('says why it cannot listen, and can once the port is free', async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) =>
      other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port)),
    );
    const server = createAgiServer({ port, log: memoryLog().log, scripts: {} });
    await expect(server.start()).rejects.toMatchObject({
      code: 'agi_listen',
      message: expect.stringMatching(`^cannot listen for agi on 127.0.0.1:${port}: .*EADDRINUSE`),
    });
    await server.stop();
    await new Promise((resolve) => other.close(resolve));
    expect(await server.start()).toEqual({ port });
    await server.stop();
  });

  it('lets open sessions end when it stops', async () => {
    const { server, port } = await started({
      test: async (session) => void (await session.waitForDigit(1_000)),
    });
    const asterisk = await FakeAsterisk.call(port);
    await asterisk.next();
    const stopped = server.stop();
    await vi.waitFor(() => expect(FakeAsterisk.connect(port)).rejects.toThrow('ECONNREFUSED'));
    asterisk.send('200 result=0\n');
    await stopped;
    expect(server.sessions).toBe(0);
    expect(asterisk.lines).not.toContain('failure');
  });

  it('closes the sessions that do not end, and their scripts hear of a hangup', async () => {
    const seen: unknown[] = [];
    const { server, port } = await started({
      test: async (session) => {
        await session.play('x').catch((error) => seen.push(error));
      },
    });
    const asterisk = await FakeAsterisk.call(port);
    await asterisk.next();
    await server.stop(10);
    await asterisk.closed;
    expect(seen).toEqual([expect.any(HangupError)]);
    expect(server.sessions).toBe(0);
  });

  it('stops although a script does not, and says so', async () => {
    const hold = held();
    const { server, port, logged } = await started({ test: hold.script });
    await FakeAsterisk.call(port);
    // A session is there before its script: Asterisk's side is read first.
    await hold.atWork;
    await server.stop(0);
    expect(logged('error')).toEqual(['agi scripts go on after their calls were closed']);
    hold.release();
  });

  it('serves a thousand calls that come at once', async () => {
    let served = 0;
    const { server, port } = await started({
      test: async () => {
        served += 1;
      },
    });
    await Promise.all(Array.from({ length: 1_000 }, async () => (await FakeAsterisk.call(port)).closed));
    expect(served).toBe(1_000);
    await vi.waitFor(() => expect(server.sessions).toBe(0));
  });
});

describe('a limited log', () => {
  it('writes each kind once a minute, with the number left out', () => {
    const { log, lines } = memoryLog();
    let now = 0;
    const limited = onceAMinute(log, () => now);
    const written: number[] = [];
    for (now = 0; now < 130_000; now += 10_000) {
      limited('warn', 'a', {}, 'first kind');
      if (lines.at(-1)?.level === 'warn') written.push(now);
    }
    limited('error', 'b', { x: 1 }, 'second kind');
    expect(written).toEqual([0, 60_000, 120_000]);
    expect(lines.filter(({ level }) => level === 'warn').map(({ suppressed }) => suppressed)).toEqual([
      undefined,
      5,
      5,
    ]);
    expect(lines.at(-1)).toMatchObject({ level: 'error', msg: 'second kind' });
  });
});
