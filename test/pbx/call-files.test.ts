import { chmod, chown, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AgiServer, createAgiServer } from '../../src/agi/server.js';
import type { AgiSession } from '../../src/agi/session.js';
import { askAsterisk } from '../../src/asterisk-console.js';
import { type AsteriskInstance, startAsterisk } from '../../src/lab/asterisk.js';
import { until } from '../../src/lab/condition.js';
import { freePort } from '../../src/lab/ports.js';
import { memoryLog } from '../agi/fake-asterisk.js';
import { describeOnAsterisk, testImage } from '../support/line.js';
import { parseCallFile, type SpooledCall } from '../support/pbx-spool.js';

// test/support/pbx-spool.ts against the real Asterisk: each file is dropped into its spool, and what it took is read off the
// channels that it made, off its log and off what it wrote into the file.

/** Half of a call as it was seen in the dialplan. */
interface Seen {
  script: string;
  env: Record<string, string>;
  variables: string[];
  application: string;
}

const LONG = 'c'.repeat(79);
const KNOWN = ['odd', LONG, 'default'];
const PRIORITIES = 50;

/** Every extension of every context that is known asks who calls, from each priority on. */
function dialplan(agi: string): string {
  // Where Asterisk itself goes on, nobody is asked.
  const steps = Array.from({ length: PRIORITIES }, (_, i) =>
    [`_!,${i + 1},AGI(${agi}/near)`, `h,${i + 1},NoOp()`, `failed,${i + 1},NoOp()`]
      .map((step) => `exten => ${step}\n`)
      .join(''),
  ).join('');
  const near = KNOWN.map((context) => `[${context}]\n${steps}`);
  return `${near.join('\n')}\n[heard]\nexten => _!,1,Answer()\n same => n,AGI(${agi}/far)\n same => n,Wait(20)\n`;
}

const BASE = ['Channel: Local/7@heard/n', 'Context: odd', 'Extension: s', 'Archive: yes'];
const file = (...more: string[]) => `${[...BASE, ...more].join('\n')}\n`;
/** A line of so many bytes, its line feed among them. */
const ofLength = (bytes: number) => `Set: LONG=${'x'.repeat(bytes - 'Set: LONG=\n'.length)}`;

const RULES: Record<string, string | Buffer> = {
  'nothing odd': file('Set: A=1'),
  'comments and what is none': file(
    '# Set: A=1',
    'Set: B=a#b',
    'Set: C=a #b',
    'Set: D=a\t#b',
    '  # x',
    '\t#',
    'Set: E=#',
  ),
  semicolons: file(
    '; Set: A=1',
    'Set: B=a;b',
    'Set: C=a\\;b',
    'Set: D=a\\\\;b',
    'Set: E=\\;\\;;x',
    'Set: F=\\;;',
    'Set: G=a\\;b\\;c;d',
    '\\;x',
  ),
  'a # behind what a semicolon cuts': file('Set: A=1; #', 'Set: B=1 #; x', 'Set: C=\\; # x'),
  'white space': file(
    'Set:A=1',
    'Set: \t B=1 \t',
    'Set:\x01\x02C=1\x1f',
    ' Set: D=1',
    'Set : E=1',
    'Set: F = 1',
    '   ',
    '\t',
    '\x01',
  ),
  'carriage returns': file('Set: A=1\r', 'Set: B=1\r2\r\r', '\r', '# x\r', 'Set: C=1\rSet: D=1'),
  'keys of any case': file('SET: A=1', 'sEtVaR: B=2', 'PRIORITY: 2', 'callerID: 123'),
  'a line that fits': file(ofLength(1023), 'Set: A=1'),
  'a line that does not': file(ofLength(1024), 'Set: A=1'),
  'lines far too long': file(
    ofLength(1025),
    ofLength(2046),
    ofLength(2047),
    ofLength(2048),
    ofLength(5000),
    'Set: A=1',
  ),
  'a last line without its end': `${file()}Set: A=1`,
  'a last line that fits without its end': file() + ofLength(1023),
  'a last line that does not': file() + ofLength(1024),
  'a NUL, which costs the next line': file('Set: A=1\0x', 'Set: B=1', 'Set: C=1'),
  'a NUL in a comment': file('# a\0b', 'Set: B=1', 'Set: C=1'),
  'a NUL and no line behind it': `${file()}Set: A=1\0x`,
  'no colon': file('nonsense', 'Set A=1', '=', '\\'),
  colons: file(': x', ':', 'Set:: A=1', 'Set: A:B=1:2', 'Data: a:b'),
  'a byte order mark': `\ufeff${file('Set: A=1')}`,
  'letters beyond ASCII': Buffer.concat([
    Buffer.from(file('Set: A=Zoë 🕭', 'Set: Ä=1', 'ſet: B=1')),
    Buffer.from([0x53, 0xff, 0x0a]),
  ]),
  'unknown keywords': file('Sets: A=1', 'Sound: x', 'Status: Completed', 'X'.repeat(500)),
  'variables of all kinds': file(
    'Set: A=1',
    'Set: A=2',
    'Set: B=',
    'Set: C==1',
    'Set: D',
    'SetVar: E',
    'Set: __F=1',
    'Set: _G=1',
    'Set: H=a b',
  ),
  'the last of each': file(
    'Context: default',
    'Extension: t',
    'Priority: 3',
    'Priority: 4',
    'CallerID: 1',
    'CallerID: "n" <2>',
  ),
  'no slash, and another channel before it': file('Channel: nothing'),
  'a channel with nothing before its slash': file('Channel: /x'),
  'a channel with nothing behind its slash': file('Channel: Local/'),
  'a technology that nobody has': file('Channel: Nobody/has'),
  'no extension': 'Channel: Local/7@heard/n\nContext: odd\nArchive: yes\n',
  'no channel': 'Context: odd\nExtension: s\nArchive: yes\n',
  'an empty file': '',
  'an application': file(`Application: AGI`, 'Data: {agi}/app,a\\;b,#c'),
  'an application that nobody has': file('Application: Nobody', 'Data: x'),
  'an application too long': file(`Application: ${'A'.repeat(40)}`),
  'a context that just fits': file(`Context: ${LONG}`),
  'a context too long': file(`Context: ${LONG}c`),
  'an extension that just fits': file(`Extension: ${'7'.repeat(79)}`),
  'an extension too long': file(`Extension: ${'7'.repeat(90)}`),
  'a destination of odd bytes': file('Channel: Local/a \\; "b" <c>#d\\e@heard/n'),
  'a context that nobody has': file('Context: nowhere'),
  'a priority that nobody has': file('Priority: 42'),
  'numbers that are none': file(
    'MaxRetries: x',
    'Priority: x',
    'RetryTime: x',
    'WaitTime: x',
    'StartRetry: x',
  ),
  'numbers too small': file('MaxRetries: -1', 'MaxRetries: 0', 'Priority: 0', 'RetryTime: 0', 'WaitTime: 0'),
  'numbers with more behind them': file('Priority: 2x', 'RetryTime: +77 x', 'MaxRetries: 1.5'),
  'numbers with zeros before them': file('RetryTime: 007', 'Priority: 0x2'),
  'numbers too large': file('RetryTime: 4294967396', 'Priority: 4294967298'),
  'numbers longer than what is read of them': file(`RetryTime: ${'0'.repeat(28)}1234`),
  'retries that are over': file('Retry: 1'),
  'retries that are not': file(
    'Retry: 1',
    'EndRetry: 1',
    'AbortRetry: 1 1 (1)',
    'DelayedRetry: 1',
    'MaxRetries: 3',
  ),
  'a try of a process that is gone': file('StartRetry: 1 1 (1)'),
  'what is true': file('Archive: no', 'Archive: TRUE', 'AlwaysDelete: On'),
  'what is not': file('Archive: yes ', 'Archive: yess'),
  'a name and a number': file('CallerID: "Clinic, ltd" <+390212345>'),
  'a name without quotes': file('CallerID: Clinic (Milan) <02 (12) 34-5>'),
  'a number alone': file('CallerID: (02) 12-34'),
  'a name alone': file('CallerID: "0212"'),
  'a bracket that does not close': file('CallerID: A <12'),
  'brackets in brackets': file('CallerID: "A <1>" <2> <3>'),
  'dots and dashes': file('CallerID: A <1.2-3.[4-5]6.>'),
  'escapes in a name': file('CallerID: "a\\"b\\\\c\\d" <1>'),
  'a quote alone': file('CallerID: " <1>'),
  'a name too long': file(`CallerID: "${'n'.repeat(100)}" <1>`),
  'a number too long': file(`CallerID: <${'1'.repeat(100)}>`),
  'an account': file(`Account: ${'a'.repeat(90)}`, 'Codecs: ulaw'),
};

// biome-ignore format: a table
const PIECES = [
  '\n', '\r', '\t', '\x1f', ' ', '#', ' #', ';', '\\', '\\;', ':', '=', '<', '>', '"', '/', '-', '.', '(', ')', '[', ']', 'a', '7', '42', '+39',
  'é', '\ufeff', 'x'.repeat(79), 'y'.repeat(500), 'Set: X=1', '\nCallerID: ', '\nSet: Y=', '\nPriority: ', '\nRetryTime: ', '\nMaxRetries: ',
  'Retry: ', 'b\0c', '\nAccount: ', '\nExtension: ', '\nset: __Z=',
];
const random = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 12 })
  .map((pieces) => file(`Set: R=${pieces.join('')}`));

describeOnAsterisk('our reading of a call file', () => {
  let dir: string;
  let asterisk: AsteriskInstance;
  let server: AgiServer;
  let agi: string;
  let seen: Seen[] = [];
  let dropped = 0;
  let read = 0;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'campanile-files-'));
    await chmod(dir, 0o755);
    const scripts = Object.fromEntries(
      ['near', 'far', 'app'].map((name) => [name, (session: AgiSession) => look(session)]),
    );
    server = createAgiServer({ port: 0, log: memoryLog().log, scripts });
    agi = `agi://127.0.0.1:${(await server.start()).port}`;
    asterisk = await startAsterisk({
      image: await testImage(),
      dir: join(dir, 'asterisk'),
      sipPort: await freePort('udp'),
      farEnds: {},
      includes: [],
      extraExtensions: dialplan(agi),
    });
    await asterisk.cli('logger add channel odd.log notice,warning,error');
  });
  afterAll(async () => {
    await asterisk?.stop();
    await server?.stop(0);
    await rm(dir, { recursive: true, force: true });
  });

  async function look(session: AgiSession): Promise<void> {
    const { script, variables: env } = session.request;
    // The other half would be gone with this one.
    if (script !== '/far')
      await until(() => seen.some((half) => half.script === 'far'), { timeoutMs: 10_000 });
    const shown = await askAsterisk(asterisk.runDir, `core show channel ${env.agi_uniqueid}`);
    const [about = '', , rest = ''] = shown.split(/^( *Variables:)$/m);
    const variables = rest
      .split(/\n *CDR Variables:|\n -- Streams --/)[0]!
      .split('\n')
      .slice(1);
    const application = /^ *Application: (.*)\n *Data: (.*)$/m.exec(about)?.slice(1).join(' ') ?? '';
    seen.push({
      script: script.slice(1),
      env,
      variables: variables.filter((line) => line !== ''),
      application,
    });
    if (script === '/near') await session.hangup();
  }

  /** Drops a file and gives what Asterisk logged, saw and left of it. */
  async function drop(
    content: Buffer,
  ): Promise<{ log: string; seen: Seen[]; left: string; took: [number, number] }> {
    dropped += 1;
    seen = [];
    const name = `f${dropped}.call`;
    const staged = join(asterisk.spoolDir, name);
    await writeFile(staged, content);
    await chown(staged, asterisk.uid, asterisk.gid);
    const logFile = join(asterisk.dir, 'log/odd.log');
    while (Date.now() % 1000 > 0); // TRY
    // time(2), which Asterisk asks, lags by up to a tick of the kernel behind Date.now(); so do the times of files.
    const before = Math.floor((await stat(staged)).mtimeMs / 1000);
    await rename(staged, join(asterisk.spoolDir, 'outgoing', name));
    let log = '';
    const over =
      /Call completed to|Call failed to go through|expired without completion|Invalid file contents in/;
    const done = await until(
      async () => {
        log = (await readFile(logFile, 'latin1').catch(() => '')).slice(read);
        return over.test(log) && server.sessions === 0;
      },
      { timeoutMs: 30_000 },
    );
    expect([name, log, done]).toEqual([name, log, true]);
    read += log.length;
    const left = await readFile(join(asterisk.spoolDir, 'outgoing_done', name), 'latin1').catch(() => '');
    await rm(join(asterisk.spoolDir, 'outgoing', name), { force: true });
    return { log, seen, left, took: [before, Math.ceil(Date.now() / 1000)] };
  }

  const MESSAGES: [RegExp, SpooledCall['complaints'][number]['what']][] = [
    [/Skipping extremely long line at line (\d+) /g, 'long line'],
    [/Syntax error at line (\d+) of/g, 'no colon'],
    [/Unknown keyword '[^\n]*' at line (\d+) of/g, 'unknown keyword'],
    [/Channel should be in form Tech\/Dest at line (\d+) of/g, 'no slash'],
    [/Malformed "[^\n]*" argument/g, 'no equals sign'],
    [
      /Invalid (?:max retries|priority|retrytime|waittime) at line (\d+) of|Unable to retrieve calling PID/g,
      'no number',
    ],
  ];

  /** What is complained of, with the line where Asterisk names it. */
  const complaintsOf = (log: string) =>
    MESSAGES.flatMap(([message, what]) =>
      [...log.matchAll(message)].map((match) => `${what} ${match[1] ?? ''}`),
    ).toSorted();
  const namesNoLine = (call: SpooledCall, line: number) =>
    call.directives.some((d) => d.line === line && ['set', 'setvar', 'startretry'].includes(d.key));

  /** Our texts are bytes, those that come over FastAGI and the console are read as UTF-8. */
  const utf8 = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');

  async function compare(title: string, content: Buffer): Promise<void> {
    const call = parseCallFile(content);
    const got = await drop(content);
    const about = `${title}\n${JSON.stringify(content.toString('latin1'))}\n${got.log}`;
    const complaints = call.complaints.map(
      ({ line, what }) => `${what} ${namesNoLine(call, line) ? '' : line}`,
    );
    expect([about, complaintsOf(got.log)]).toEqual([about, complaints.toSorted()]);
    const named = (call.tech && call.dest && (call.application || call.extension)) !== '';
    expect([about, /Invalid file contents/.test(got.log)]).toEqual([about, !named]);
    expect([about, /expired without completion/.test(got.log) && !/Call failed/.test(got.log)]).toEqual([
      about,
      named && !call.dials,
    ]);
    if (named) expect([about, got.left !== '']).toEqual([about, call.archive]);
    if (!call.dials) {
      expect([about, got.seen]).toEqual([about, []]);
      return;
    }
    if (got.left !== '') {
      const [, retries, time] = /\nStartRetry: \d+ (\d+) \((-?\d+)\)\n(?!.*StartRetry)/s.exec(got.left) ?? [];
      expect([about, Number(retries)]).toEqual([about, call.retries + 1]);
      const began = Number(time) - call.retryTime;
      expect([about, began >= got.took[0] && began <= got.took[1]]).toEqual([about, true]);
    }
    if (call.tech !== 'Local') {
      expect(got.log).toContain(`No channel type registered for '${call.tech}'`);
      return;
    }
    compareHalves(about, call, got);
  }

  function compareHalves(
    about: string,
    call: SpooledCall,
    { log, seen: halves }: { log: string; seen: Seen[] },
  ): void {
    if (call.application !== '') {
      const app = halves.find(({ script }) => script === 'app');
      if (app) expect([about, app.application]).toEqual([about, utf8(`${call.application} ${call.data}`)]);
      else expect(log).toContain(`No such application '${call.application}'`);
      return;
    }
    const { context, extension, priority } = call;
    // Where there is no such priority Asterisk says nothing.
    if (priority > PRIORITIES) return;
    if (!KNOWN.includes(context)) {
      expect(log).toContain(`context,exten,priority=${context},${extension},${priority}\n`);
      return;
    }
    const far = halves.find(({ script }) => script === 'far');
    const dialled = call.dest.replace(/@heard\/n$/, '').slice(0, 79);
    expect([about, far?.env.agi_extension]).toEqual([about, utf8(dialled)]);
    const { env: near, variables } = halves.find(({ script }) => script === 'near')!;
    const { agi_context, agi_extension, agi_priority } = near;
    expect([about, agi_context, agi_extension, agi_priority]).toEqual([
      about,
      context,
      utf8(extension),
      String(priority),
    ]);
    expect([about, near.agi_callerid, near.agi_calleridname, near.agi_accountcode]).toEqual([
      about,
      utf8(call.callerNumber) || 'unknown',
      utf8(call.callerName) || 'unknown',
      utf8(call.account),
    ]);
    const set = new Map(
      call.variables
        .filter(([name]) => !name.endsWith(')'))
        .map(([name, value]) => [name.replace(/^__?/, ''), value]),
    );
    set.set('AST_OUTGOING_ATTEMPT', String(call.retries + 1));
    const taken = variables.filter((line) => !/^(DIALEDPEER|AGI)/.test(line));
    expect([about, taken.toSorted()]).toEqual([
      about,
      [...set].map(([name, value]) => utf8(`${name}=${value}`)).toSorted(),
    ]);
  }

  it.each(Object.entries(RULES))('is that of the real Asterisk: %s', async (title, content) => {
    const bytes = typeof content === 'string' ? Buffer.from(content.replace('{agi}', agi)) : content;
    await compare(title, bytes);
  });

  it('is that of the real Asterisk for files made at random', async () => {
    const files = fc.sample(random, { numRuns: 100, seed: 20261122 });
    for (const [i, content] of files.entries()) await compare(`random ${i}`, Buffer.from(content));
  }, 300_000);
});
