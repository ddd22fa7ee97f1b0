import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CallTokens, createCallTokens, INBOUND } from '../../src/agi/token.js';
import { callIdOf } from '../../src/calls/call-id.js';
import { loadSecret } from '../../src/config.js';
import { newId } from '../../src/ids.js';
import { toneWav } from '../../src/messages/tone.js';
import { environment, FakeAsterisk } from '../agi/fake-asterisk.js';
import { insertAttemptFixtures } from '../support/attempts.js';
import {
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { type Program, startProgram } from '../support/program.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

// The FastAGI port of `campanile serve` lies open to strangers, while calls of ours go through it.

const audio = toneWav(3);
const REPORT = '16|200|ANSWER|PJSIP/far-00000001|PJSIP/far-00000001|3599.5|3599.5';

describe('an open FastAGI port', () => {
  let line: SandboxLine;
  let program: Program;
  let tenant: TenantFixture;
  let tokens: CallTokens;
  let port: number;

  beforeAll(async () => {
    line = await startSandboxLine();
    program = await startProgram(line.config);
    port = line.config.agiListen.port;
    tenant = await insertTenantFixture(line.database.pool, { ports: 40, audio });
    tokens = createCallTokens(await loadSecret(line.config));
  }, 90_000);
  afterAll(async () => {
    await program?.kill();
    await line?.stop();
  });

  /** A campaign of people who listen to the end, and of those who are busy. */
  async function callEverybody(from: number, count: number): Promise<string> {
    const numbers = ['200', '486'].flatMap((code) => numbersFor(code, count, from));
    const id = await insertCampaignFixture(line.database.pool, tenant, numbers, { maxAttempts: 1 });
    await line.database.pool.query(`SELECT pg_notify('campanile_due', '')`);
    return id;
  }

  async function expectExactly(id: string, count: number): Promise<void> {
    await untilCompleted(line.database.pool, [id], 60);
    const attempts = await attemptsOf(line.database.pool, id);
    expect(attempts).toHaveLength(2 * count);
    for (const { number, disposition, heard_seconds, hangup_cause, hung_up_by, silent } of attempts) {
      const told = { disposition, heard_seconds, hangup_cause, hung_up_by, silent };
      const meant = number.endsWith('486')
        ? { disposition: 'busy', heard_seconds: null, hangup_cause: 17, hung_up_by: 'callee' }
        : { disposition: 'answered', heard_seconds: 3, hangup_cause: 16, hung_up_by: 'campanile' };
      expect([number, told]).toEqual([number, { ...meant, silent: false }]);
    }
  }

  const rss = () =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${program.pid}/status`, 'latin1'))![1]) / 1024;
  const filesOpen = () =>
    execFileSync('ls', [`/proc/${program.pid}/fd`])
      .toString()
      .split('\n').length;

  const stranger = () =>
    connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      .on('error', () => {})
      .resume();
  /** Closed, or closed by the server's side at least. */
  const over = (socket: Socket) =>
    new Promise<void>((resolve) => socket.once('close', () => resolve()).once('end', () => resolve()));
  const staying: Socket[] = [];

  /** What a stranger sends, and whether he goes on until he is closed, ends his half, or breaks off. */
  const GARBAGE: Record<string, (socket: Socket) => void> = {
    'nothing, and ends': (socket) => socket.end(),
    'nothing, and breaks off': (socket) => socket.once('connect', () => socket.resetAndDestroy()),
    'random bytes': (socket) => socket.end(randomBytes(4_096)),
    'random bytes without end': (socket) => flood(socket, () => randomBytes(16_384)),
    'an environment without end': (socket) =>
      flood(socket, (n) => Buffer.from(`agi_x${n}: ${'y'.repeat(100)}\n`)),
    'a line without end': (socket) => flood(socket, () => Buffer.alloc(16_384, 'x')),
    'NULs without end': (socket) => flood(socket, () => Buffer.alloc(16_384)),
    'lines of NUL': (socket) => socket.end('\0\n'.repeat(500)),
    'empty lines': (socket) => socket.end('\n'.repeat(5_000)),
    'a web browser': (socket) => socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    'HANGUP alone': (socket) => socket.end('HANGUP\n'.repeat(100)),
    'no call': (socket) => socket.end(environment({ script: 'answered' })),
    'no script': (socket) => socket.end(environment({ script: '../../etc/passwd' })),
    'a forged token': (socket) =>
      socket.end(environment({ script: 'answered', args: [callIdOf(newId(), newId()), 'x'.repeat(32)] })),
    'a forged token, and stays': (socket) =>
      void socket.write(
        environment({ script: 'hangup', args: [callIdOf(newId(), newId()), 'x'.repeat(32), REPORT] }),
      ),
    'a forged token, and floods': (socket) => {
      socket.write(environment({ script: 'hangup', args: ['a', 'b'] }));
      flood(socket, () => Buffer.from('200 result=1\nHANGUP\n'.repeat(500)));
    },
    'a half environment, and breaks off': (socket) =>
      socket.write(environment().slice(0, 99), () => socket.resetAndDestroy()),
    'arguments without end': (socket) =>
      socket.end(environment({ args: Array.from({ length: 990 }, () => 'x') })),
  };

  function flood(socket: Socket, chunk: (n: number) => Buffer): void {
    let n = 0;
    const more = () => {
      for (; !socket.destroyed && n < 500; n += 1) if (!socket.write(chunk(n))) return;
      socket.end();
    };
    socket.on('drain', more).on('close', () => socket.removeAllListeners('drain'));
    more();
  }

  async function round(): Promise<void> {
    await Promise.all(
      Object.entries(GARBAGE).flatMap(([what, send]) =>
        Array.from({ length: 5 }, async () => {
          const socket = stranger();
          const closed = over(socket);
          send(socket);
          await closed;
          if (what.endsWith('stays')) staying.push(socket);
          else socket.destroy();
        }),
      ),
    );
  }

  it('takes garbage of all kinds while every call ends as it should, and keeps nothing of it', async () => {
    await round();
    const files = filesOpen();
    const calls = await callEverybody(0, 40);
    const sizes: number[] = [];
    for (let rounds = 0; rounds < 6; rounds += 1) {
      await round();
      sizes.push(rss());
    }
    await expectExactly(calls, 40);
    console.log(`RSS in MB after each round of garbage: ${sizes.map(Math.round).join(' ')}`);
    // What is collected late is let go of in time: the last rounds need no more than the first.
    expect(Math.min(...sizes.slice(-2))).toBeLessThan(Math.max(...sizes.slice(0, 2)) + 30);
    await expect.poll(() => filesOpen() - files, { timeout: 15_000 }).toBeLessThan(30);
    for (const socket of staying) socket.destroy();
  }, 120_000);

  it('with 10,000 that say nothing, or a byte a second, lets every call in', async () => {
    const most = 12_000;
    if (Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))![1]) < most) {
      execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${most}:${most}`]);
    }
    const before = rss();
    const strangers: Socket[] = [];
    const open = async () => {
      const socket = stranger();
      strangers.push(socket);
      await once(socket, 'connect').catch(() => {});
    };
    for (let batch = 0; batch < 20; batch += 1) await Promise.all(Array.from({ length: 500 }, open));
    const slow = setInterval(() => {
      for (const socket of strangers) if (!socket.destroyed && socket.writable) socket.write('a');
    }, 1_000);
    const calls = await callEverybody(1_000, 20);
    // Those that are closed come again.
    let again = 0;
    const comeAgain = setInterval(() => {
      for (const socket of strangers.filter(({ destroyed }) => destroyed).slice(0, 500)) {
        strangers.splice(strangers.indexOf(socket), 1);
        again += 1;
        void open();
      }
    }, 250);
    try {
      await expectExactly(calls, 20);
      console.log(
        `10,000 idle, ${again} came again: ${Math.round(before)} MB before, ${Math.round(rss())} MB with them`,
      );
      expect(filesOpen()).toBeLessThan(4_096 + 500);
      expect(rss() - before).toBeLessThan(300);
    } finally {
      clearInterval(slow);
      clearInterval(comeAgain);
      for (const socket of strangers) socket.destroy();
    }
  }, 180_000);

  it('changes nothing for forged tokens, old ones, and those of another call, node or tenant', async () => {
    const { pool } = line.database;
    const done = await callEverybody(2_000, 2);
    await expectExactly(done, 2);
    const other = await insertTenantFixture(pool);
    const elsewhere = await insertCampaignFixture(pool, tenant, numbersFor('200', 1, 3_000), {
      status: 'paused',
    });
    await insertAttemptFixtures(pool, tenant, elsewhere, [
      { at: new Date().toISOString(), number: numbersFor('200', 1, 3_000)[0]!, disposition: null },
    ]);
    const [ended] = await attemptsOf(pool, done);
    const [ofNode] = await attemptsOf(pool, elsewhere);
    const call = callIdOf(tenant.tenantId, ended!.id);
    const onNode = callIdOf(tenant.tenantId, ofNode!.id);
    const ofOther = callIdOf(other.tenantId, ended!.id);
    const right = tokens.tokenFor(call);
    const claims: [string, string][] = [
      ...[
        '',
        'x'.repeat(32),
        right.slice(1),
        `${right.slice(0, -1)}${right.endsWith('A') ? 'B' : 'A'}`,
        right.toLowerCase(),
        tokens.tokenFor(onNode),
        tokens.tokenFor(INBOUND),
      ].flatMap((token): [string, string][] => [
        [call, token],
        [onNode, token === tokens.tokenFor(onNode) ? right : token],
      ]),
      [call, right],
      [onNode, tokens.tokenFor(onNode)],
      [ofOther, tokens.tokenFor(ofOther)],
      [call.toUpperCase(), tokens.tokenFor(call.toUpperCase())],
      [INBOUND, right],
      [`${call}\u0000`, tokens.tokenFor(`${call}\u0000`)],
      ["' OR 1=1 --", tokens.tokenFor("' OR 1=1 --")],
    ];
    const rows = async () =>
      Promise.all(
        ['attempts', 'transfers', 'inbound_calls', 'contacts', 'recordings'].map(
          async (table) => (await pool.query(`SELECT * FROM ${table} ORDER BY id`)).rows,
        ),
      );
    const before = await rows();
    for (const script of ['answered', 'hangup', 'transferred', 'inbound']) {
      for (const [of, token] of claims) {
        const told = script === 'transferred' ? `${newId()}|extension|ANSWER|||99` : REPORT;
        const asterisk = await FakeAsterisk.call(port, { script, args: [of, token, told] });
        // Nobody is told anything: what a right token sets is that its report was heard.
        const command = await asterisk.answer('200 result=1').catch(() => null);
        if (command !== null && command !== 'failure')
          expect([script, of, command]).toEqual([script, of, 'SET VARIABLE "CAMPANILE_HEARD" "1"']);
        asterisk.close();
        await asterisk.closed;
      }
    }
    expect(await rows()).toEqual(before);
    await expectExactly(await callEverybody(4_000, 2), 2);
  }, 60_000);
});
