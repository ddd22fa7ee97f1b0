import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCallFile } from '../../src/spool/call-file.js';
import { renderTemplate, type TemplateValues } from '../../src/spool/template.js';
import { loadTemplates, parseTemplate } from '../../src/spool/template-file.js';
import { TEMPLATE_VALUES as VALUES } from './temp-spool.js';

const run = promisify(execFile);
const VALID = `Channel: PJSIP/{number}@{trunk}
CallerID: <{caller_id}>
WaitTime: {ring_seconds}
MaxRetries: 0
RetryTime: 864000
Archive: yes
Context: campanile-answered
Extension: s
Priority: 1
Set: __CAMPANILE_CALL={call}
Set: __CAMPANILE_TOKEN={token}
Set: __CAMPANILE_AGI={agi}
`;

function swap(line: string, by: string): string {
  expect(VALID).toContain(`${line}\n`);
  return VALID.replace(`${line}\n`, by === '' ? '' : `${by}\n`);
}

describe('the templates that come with Campanile', () => {
  it('direct.call makes one channel, with its hangup handler', async () => {
    const template = (await loadTemplates()).get('direct')!;
    expect(renderTemplate(template, VALUES)).toBe(`Channel: PJSIP/+15551234567@carrier_1
CallerID: <+15550001111>
WaitTime: 30
MaxRetries: 0
RetryTime: 864000
Archive: yes
Context: campanile-answered
Extension: s
Priority: 1
Set: __CAMPANILE_CALL=${VALUES.call}
Set: __CAMPANILE_TOKEN=abcdefghijklmnop-_
Set: __CAMPANILE_AGI=agi://127.0.0.1:4573
Set: __CAMPANILE_REPORTS=/var/spool/asterisk/campanile/reports/1795300474000.reports
Set: CHANNEL(hangup_handler_push)=campanile-hangup,s,1
`);
  });

  it('routed.call goes through the dialplan, which pushes the hangup handler itself', async () => {
    const text = renderTemplate((await loadTemplates()).get('routed')!, VALUES);
    const values = parseCallFile(text).directives.map(({ value }) => value);
    expect(values).toContain('Local/+15551234567@campanile-routed/n');
    expect(values).toContain('__CAMPANILE_ROUTE=carrier_1');
    expect(text).not.toContain('hangup_handler_push');
  });
});

describe('filling a template', () => {
  const template = parseTemplate('t', 't.call', VALID);

  it('leaves out the line of a caller id that there is none of', () => {
    const text = renderTemplate(template, { ...VALUES, callerId: null });
    expect(text).not.toContain('CallerID');
    expect(text.split('\n')).toHaveLength(VALID.split('\n').length - 1);
  });

  it('writes the number without its plus for {digits}', () => {
    const digits = parseTemplate(
      't',
      't.call',
      swap('Channel: PJSIP/{number}@{trunk}', 'Channel: SIP/{digits}@{trunk}'),
    );
    expect(renderTemplate(digits, VALUES)).toContain('Channel: SIP/15551234567@carrier_1\n');
  });

  it('leaves dialplan expressions as they are', () => {
    const more = parseTemplate('t', 't.call', `${VALID}Set: X=\${CHANNEL(name)}\n`);
    expect(renderTemplate(more, VALUES)).toContain(`Set: X=\${CHANNEL(name)}\n`);
  });

  it('takes an IPv6 address and a host name for FastAGI', () => {
    for (const agi of ['agi://[::1]:4573', 'agi://campanile.internal:4573']) {
      expect(renderTemplate(template, { ...VALUES, agi })).toContain(`=${agi}\n`);
    }
  });

  const wrong: [string, Partial<TemplateValues>][] = [
    ['a number with letters', { number: '+1555x234567' }],
    ['a number without its plus', { number: '15551234567' }],
    ['a number that adds a line', { number: '+15551234567\nApplication: System' }],
    ['a number that ends in a line feed', { number: '+15551234567\n' }],
    ['a number that goes elsewhere', { number: '+15551234567@evil' }],
    ['a trunk with a slash', { trunk: 'a/b' }],
    ['an empty trunk', { trunk: '' }],
    ['a caller id with a name', { callerId: '"Bank" <+15550001111>' }],
    ['no time to ring', { ringSeconds: 0 }],
    ['half a second to ring', { ringSeconds: 0.5 }],
    ['a call id that is a path', { call: '../../etc/passwd' }],
    ['a short token', { token: 'short' }],
    ['a token with a comma', { token: 'abcdefghijklmnop,x' }],
    ['an address without a port', { agi: 'agi://127.0.0.1' }],
    ['an address with a path', { agi: 'agi://127.0.0.1:4573/x,y' }],
    ['a relative directory', { reports: 'reports' }],
    ['a directory with a space', { reports: '/var/my spool' }],
  ];
  it.each(wrong)('refuses %s', (_what, value) => {
    const all = parseTemplate('t', 't.call', `${VALID}Set: R={reports}\n`);
    expect(() => renderTemplate(all, { ...VALUES, ...value })).toThrow(/^cannot fill \{/);
  });

  it('does not tell a token that it refuses', () => {
    expect(() => renderTemplate(template, { ...VALUES, token: 'se cret' })).not.toThrow(/se cret/);
  });
});

describe('a template that is wrong is refused with file, line and reason', () => {
  const cases: [string, string, RegExp][] = [
    [
      'an unknown placeholder',
      swap('Priority: 1', 'Account: {name}'),
      /^t\.call:9: unknown placeholder \{name\}/,
    ],
    ['no Archive', swap('Archive: yes', ''), /^t\.call: it has no Archive/],
    ['Archive: no', swap('Archive: yes', 'Archive: no'), /^t\.call:6: Archive must be yes/],
    ['no MaxRetries', swap('MaxRetries: 0', ''), /no MaxRetries/],
    ['retries of Asterisk', swap('MaxRetries: 0', 'MaxRetries: 1'), /^t\.call:4: MaxRetries must be 0/],
    ['no RetryTime', swap('RetryTime: 864000', ''), /no RetryTime/],
    [
      'a short RetryTime',
      swap('RetryTime: 864000', 'RetryTime: 86399'),
      /^t\.call:5: RetryTime must be a day/,
    ],
    ['no Channel', swap('Channel: PJSIP/{number}@{trunk}', ''), /no Channel/],
    [
      'a channel without a technology',
      swap('Channel: PJSIP/{number}@{trunk}', 'Channel: {number}'),
      /^t\.call:1: Channel/,
    ],
    ['no Context', swap('Context: campanile-answered', ''), /needs Context and Extension/],
    ['no Extension', swap('Extension: s', ''), /needs Context and Extension/],
    ['no call', swap('Set: __CAMPANILE_CALL={call}', ''), /__CAMPANILE_CALL=\{call\}/],
    [
      'a call that is not inherited',
      swap('Set: __CAMPANILE_CALL={call}', 'Set: CAMPANILE_CALL={call}'),
      /__CAMPANILE_CALL/,
    ],
    ['no token', swap('Set: __CAMPANILE_TOKEN={token}', ''), /__CAMPANILE_TOKEN=\{token\}/],
    ['no address', swap('Set: __CAMPANILE_AGI={agi}', ''), /__CAMPANILE_AGI=\{agi\}/],
    ['early media', swap('Priority: 1', 'early_media: yes'), /^t\.call:9: Early_media/],
    ['AlwaysDelete: no', swap('Priority: 1', 'AlwaysDelete: no'), /^t\.call:9: AlwaysDelete/],
    ['a misspelt directive', swap('Priority: 1', 'Prioritty: 1'), /^t\.call:9: not a directive/],
    ['a line without a colon', swap('Priority: 1', 'Priority 1'), /^t\.call:9: not a directive/],
    ['a Set without =', swap('Priority: 1', 'Set: X'), /^t\.call:9: not a directive/],
    ['a line of Asterisk', swap('Priority: 1', 'StartRetry: 1 1 (1)'), /^t\.call:9: only Asterisk/],
    ['a status', swap('Priority: 1', 'Status: Completed'), /^t\.call:9: only Asterisk/],
    ['a directive given twice', `${VALID}Archive: yes\n`, /^t\.call:13: Archive is given twice/],
    ['a priority that is none', swap('Priority: 1', 'Priority: first'), /^t\.call:9: Priority/],
    ['a WaitTime that is none', swap('WaitTime: {ring_seconds}', 'WaitTime: 0'), /^t\.call:3: WaitTime/],
  ];
  it.each(cases)('%s', (_what, text, reason) => {
    expect(() => parseTemplate('t', 't.call', text)).toThrow(reason);
  });

  it('takes AlwaysDelete: yes, early_media: no, and an application instead of a context', () => {
    const text = VALID.replace(
      'Context: campanile-answered\nExtension: s\nPriority: 1\n',
      'Application: Playback\nData: hello\n',
    );
    expect(
      parseTemplate('t', 't.call', `${text}AlwaysDelete: yes\nearly_media: no\n`).directives,
    ).toHaveLength(13);
  });
});

describe('a template that could not be written for every call is refused when it is read', () => {
  const fits = (more: number) =>
    `${VALID}Data: {number}${'x'.repeat(1023 - 'Data: \n'.length - 16 + more)}\n`;
  const cases: [string, string, RegExp][] = [
    [
      'letters beyond ASCII',
      `${VALID}Account: Zoë\n`,
      /^t\.call:13: cannot write Account .* printable ASCII/,
    ],
    ['a line that the longest number makes too long', fits(1), /^t\.call:13: .* skips lines/],
    [
      'a context that Asterisk cuts',
      swap('Context: campanile-answered', `Context: ${'x'.repeat(80)}`),
      /:7: .*1 to 79/,
    ],
    ['an empty extension', swap('Extension: s', 'Extension:'), /:8: .*1 to 79/],
    [
      'a caller id that Asterisk reads as another',
      swap('CallerID: <{caller_id}>', 'CallerID: (02) 1-2'),
      /:2: .*without/,
    ],
    [
      'a channel that may be left out',
      swap('Channel: PJSIP/{number}@{trunk}', 'Channel: PJSIP/{caller_id}@a'),
      /:1: .*left out/,
    ],
    [
      'a variable of ours set to something else',
      `${VALID}Set: CAMPANILE_CALL=x\n`,
      /:13: CAMPANILE_CALL must be \{call\}/,
    ],
    ['a key without a name', `${VALID}: x\n`, /:13: not a directive/],
    ['a byte order mark', `\ufeff${VALID}`, /^t\.call:1: it begins with a byte order mark/],
    ['a NUL', `# a\0b\n${VALID}`, /^t\.call: it holds a NUL/],
  ];
  it.each(cases)('%s', (_what, text, reason) => {
    expect(() => parseTemplate('t', 't.call', text)).toThrow(reason);
  });

  it('and one that fits by a letter is not', () => {
    expect(() => parseTemplate('t', 't.call', fits(0))).not.toThrow();
  });
});

describe("the admin's directory", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'campanile-templates-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('adds templates and overrides ours by name; other files are passed over', async () => {
    await writeFile(join(directory, 'direct.call'), VALID.replace('carrier', 'x'));
    await writeFile(join(directory, 'carrier-b.call'), VALID);
    await writeFile(join(directory, 'README'), 'no template');
    await writeFile(join(directory, 'Not A Name.call'), 'no template');
    const templates = await loadTemplates(directory);
    expect([...templates.keys()].toSorted()).toEqual(['carrier-b', 'direct', 'routed']);
    expect(templates.get('direct')!.file).toBe(join(directory, 'direct.call'));
  });

  it('is named when it cannot be read', async () => {
    await expect(loadTemplates(join(directory, 'nowhere'))).rejects.toMatchObject({
      code: 'template_invalid',
      message: expect.stringContaining(join(directory, 'nowhere')),
    });
  });

  it.each([
    ['a directory', (path: string) => mkdir(path), /odd\.call is not a file/],
    ['a pipe', (path: string) => run('mkfifo', [path]), /odd\.call is not a file/],
    [
      'far too long',
      (path: string) => writeFile(path, '#\n'.repeat(40_000)),
      /odd\.call has more than 65536 bytes/,
    ],
  ])('is refused when a template is %s', async (_what, make, reason) => {
    await make(join(directory, 'odd.call'));
    await expect(loadTemplates(directory)).rejects.toMatchObject({
      code: 'template_invalid',
      message: expect.stringMatching(reason),
    });
  });

  it('names the file and the line that is wrong', async () => {
    await writeFile(join(directory, 'bad.call'), `# mine\n${VALID}Oops: 1\n`);
    await expect(loadTemplates(directory)).rejects.toThrow(`${join(directory, 'bad.call')}:14: `);
  });
});
