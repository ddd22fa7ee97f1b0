import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { begunAt, type Directive, parseCallFile, renderCallFile } from '../../src/spool/call-file.js';

const WHOLE = `# what an admin wrote
; and so
Channel: PJSIP/+15551234567@carrier   ; by the way
callerid: "A #1 B" <+15550001111>
WAITTIME:30
MaxRetries: 0 # none
RetryTime: 864000
SetVar: A=1
Set: B=x\\;y
Archive: yes

StartRetry: 4711 1 (1796155272)

DelayedRetry: 4711 1 (1797019272)
Status: Completed
`;

describe('reading a call file', () => {
  it('sees what Asterisk sees: comments, escapes, any case of keys, every Set', () => {
    const file = parseCallFile(WHOLE);
    expect(file.directives).toEqual([
      { key: 'Channel', value: 'PJSIP/+15551234567@carrier' },
      { key: 'CallerID', value: '"A' },
      { key: 'WaitTime', value: '30' },
      { key: 'MaxRetries', value: '0' },
      { key: 'RetryTime', value: '864000' },
      { key: 'Set', value: 'A=1' },
      { key: 'Set', value: 'B=x;y' },
      { key: 'Archive', value: 'yes' },
    ]);
    expect(file.ignored).toEqual([]);
  });

  it('reads the diary and the status', () => {
    const file = parseCallFile(WHOLE);
    expect(file.diary).toEqual([
      { key: 'StartRetry', pid: 4711, retries: 1, time: new Date(1796155272_000) },
      { key: 'DelayedRetry', pid: 4711, retries: 1, time: new Date(1797019272_000) },
    ]);
    expect(file.status).toBe('Completed');
  });

  it('reads all four words of the diary and all three of the status', () => {
    for (const word of ['StartRetry', 'DelayedRetry', 'EndRetry', 'AbortRetry']) {
      expect(parseCallFile(`${word}: 9 2 (17)`).diary).toEqual([
        { key: word, pid: 9, retries: 2, time: new Date(17_000) },
      ]);
    }
    for (const word of ['Completed', 'Expired', 'Failed'])
      expect(parseCallFile(`Status: ${word}\n`).status).toBe(word);
    expect(parseCallFile('Status: Comp').status).toBeNull();
  });

  it('skips a line of 1,024 bytes whole, and tells which lines it skipped', () => {
    const fits = `Account: ${'x'.repeat(1022 - 'Account: '.length)}`;
    expect(parseCallFile(`${fits}\n`).directives).toHaveLength(1);
    expect(parseCallFile(`${fits}x\nArchive: yes\n`)).toMatchObject({
      directives: [{ key: 'Archive', value: 'yes' }],
      ignored: [{ line: 1 }],
    });
    const ignored = parseCallFile(
      'no colon\nUnknown: 1\nArchive : yes\n Archive: yes\nSet: no-equals-sign\n',
    );
    expect(ignored.directives).toEqual([]);
    expect(ignored.ignored.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('writing a call file', () => {
  const refused: [string, Directive, RegExp][] = [
    ['a line feed', { key: 'Channel', value: 'PJSIP/1\nApplication: System' }, /line break/],
    ['a carriage return', { key: 'Channel', value: 'PJSIP/1\rx' }, /control character/],
    ['a NUL', { key: 'Channel', value: 'PJSIP/1\0' }, /control character/],
    ['a tab', { key: 'Account', value: 'a\tb' }, /control character/],
    ['a delete', { key: 'Account', value: 'a\x7fb' }, /control character/],
    ['a letter beyond ASCII', { key: 'CallerID', value: 'Zoë <1>' }, /printable ASCII/],
    ['a space at the end', { key: 'Account', value: 'a ' }, /space/],
    ['a space at the start', { key: 'Account', value: ' a' }, /space/],
    ['a # at the start', { key: 'Account', value: '#1' }, /comment/],
    ['a # after a space', { key: 'Account', value: 'a #1' }, /comment/],
    ['a Set without =', { key: 'Set', value: 'NAME' }, /NAME=value/],
    ['a Set without a name', { key: 'Set', value: '=1' }, /NAME=value/],
    ['a key Asterisk does not know', { key: 'Chanel' as 'Channel', value: 'x' }, /no such directive/],
    ['an empty extension', { key: 'Extension', value: '' }, /1 to 79/],
    ['a context that Asterisk cuts', { key: 'Context', value: 'x'.repeat(80) }, /1 to 79/],
    ['an application that Asterisk cuts', { key: 'Application', value: 'x'.repeat(32) }, /1 to 31/],
    ['an account that Asterisk cuts', { key: 'Account', value: 'x'.repeat(80) }, /79 characters/],
    ['a name that Asterisk cuts', { key: 'CallerID', value: `"${'x'.repeat(80)}" <1>` }, /79 characters/],
    [
      'a caller id that Asterisk reads as another',
      { key: 'CallerID', value: '(02) 12-34' },
      /without spaces/,
    ],
    ['a name whose backslash Asterisk drops', { key: 'CallerID', value: '"a\\b" <1>' }, /"name"/],
    ['half a second to wait', { key: 'WaitTime', value: '0.5' }, /a number from 1/],
    ['a channel without a destination', { key: 'Channel', value: 'PJSIP/' }, /technology/],
    ['a line too long', { key: 'Data', value: 'x'.repeat(1024 - 'Data: \n'.length) }, /1024 or more/],
    ['a line too long once escaped', { key: 'Data', value: ';'.repeat(600) }, /1024 or more/],
  ];
  it.each(refused)('refuses %s, with the reason', (_what, directive, reason) => {
    expect(() => renderCallFile([directive])).toThrow(reason);
  });

  it('writes what just fits', () => {
    const value = 'x'.repeat(1023 - 'Data: \n'.length);
    expect(parseCallFile(renderCallFile([{ key: 'Data', value }])).directives).toEqual([
      { key: 'Data', value },
    ]);
  });

  it('escapes a semicolon and leaves a # inside a word', () => {
    expect(renderCallFile([{ key: 'Set', value: 'A=a;b#c\\;' }])).toBe('Set: A=a\\;b#c\\\\;\n');
  });

  it('adds no line to a file, whatever the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        try {
          expect(renderCallFile([{ key: 'Data', value }]).split('\n')).toHaveLength(2);
        } catch (error) {
          expect(error).toMatchObject({ code: 'call_file_refused' });
        }
      }),
    );
  });
});

describe('when a call has begun', () => {
  const start = 1_795_291_272;
  it('is the printed time less RetryTime', () => {
    const file = parseCallFile(`RetryTime: 864000\nStartRetry: 1 1 (${start + 864_000})\n`);
    expect(begunAt(file, new Date())).toEqual(new Date(start * 1000));
  });
  it('is read from the file time where Asterisk made the file anew', () => {
    const file = parseCallFile(`\nStartRetry: 1 1 (${start + 864_000})\n`);
    expect(begunAt(file, new Date((start + 2 * 864_000) * 1000 + 250))).toEqual(new Date(start * 1000));
  });
  it('is unknown in a file that Asterisk has not touched', () => {
    expect(begunAt(parseCallFile('RetryTime: 864000\n'), new Date())).toBeNull();
  });
  it('is that of the second call when Asterisk dialled again after a restart', () => {
    const text = `RetryTime: 100\nStartRetry: 1 1 (${start + 100})\nAbortRetry: 2 1 (${start + 200})\nStartRetry: 2 1 (${start + 300})\n`;
    expect(begunAt(parseCallFile(text), new Date())).toEqual(new Date((start + 200) * 1000));
  });
});
