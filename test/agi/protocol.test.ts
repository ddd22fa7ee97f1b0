import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EnvironmentReader,
  LineFramer,
  parseReply,
  parseRequest,
  quote,
  type Reply,
  ReplyReader,
  renderCommand,
} from '../../src/agi/protocol.js';
import { environment, parseArguments } from './fake-asterisk.js';

const limits = { lineBytes: 1_000, envBytes: 2_000, envLines: 50 };

/** Reads a whole environment block, its last empty line included. */
function readEnvironment(block: string): Record<string, string> | undefined {
  const reader = new EnvironmentReader(limits);
  let variables: Record<string, string> | undefined;
  for (const line of new LineFramer(limits.lineBytes).push(block)) variables = reader.push(line);
  return variables;
}

/** What a reader makes of lines. */
function readReplies(text: string): (Reply | 'HANGUP')[] {
  const reader = new ReplyReader(limits);
  return new LineFramer(limits.lineBytes).push(text).flatMap((line) => reader.push(line) ?? []);
}

describe('framing', () => {
  it('gives the same lines however the text is cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[^\n]{0,9}$/)), fc.array(fc.nat(8)), (lines, sizes) => {
        const text = lines.map((line) => `${line}\n`).join('');
        const framer = new LineFramer(1_000);
        const read: string[] = [];
        let at = 0;
        for (const size of sizes) {
          read.push(...framer.push(text.slice(at, at + size)));
          at += size;
        }
        read.push(...framer.push(text.slice(at)));
        expect(read).toEqual(lines);
      }),
    );
  });

  it('refuses a line over the limit, counted in bytes, before its end has come', () => {
    const framer = new LineFramer(10);
    expect(framer.push('0123456789\nèèè')).toEqual(['0123456789']);
    expect(() => framer.push('èèè')).toThrow('a line is longer than 10 bytes');
  });
});

describe('the environment', () => {
  it('keeps values as they are, colons, spaces and empty ones too', () => {
    const variables = readEnvironment(
      'agi_request: agi://h:4573/x?a=b: c\nagi_rdnis: \nagi_arg_1:  two  \n\n',
    );
    expect({ ...variables }).toEqual({
      agi_request: 'agi://h:4573/x?a=b: c',
      agi_rdnis: '',
      agi_arg_1: ' two  ',
    });
  });

  it('is not complete before the empty line', () => {
    expect(readEnvironment('agi_network: yes\n')).toBeUndefined();
  });

  it('takes no name for a property of objects', () => {
    expect(readEnvironment('__proto__: x\nconstructor: y\n\n')).toMatchObject({ constructor: 'y' });
  });

  it.each([
    ['no colon', 'agi_network: yes\nnonsense\n', 'line 2 is not "name: value"'],
    ['no name', ': yes\n', 'line 1 is not "name: value"'],
    ['a name twice', 'agi_arg_1: a\nagi_arg_1: b\n', 'line 2 repeats a name'],
    ['too many lines', Array.from({ length: 51 }, (_, n) => `a${n}: b\n`).join(''), 'more than 50 lines'],
    [
      'too many bytes',
      Array.from({ length: 5 }, (_, n) => `a${n}: ${'b'.repeat(500)}\n`).join(''),
      '2000 bytes',
    ],
  ])('refuses %s', (_, block, message) => {
    expect(() => readEnvironment(block)).toThrow(message);
  });

  it.each([
    ['agi://127.0.0.1/answered', '/answered', ''],
    ['agi://127.0.0.1:4573/a/b?attempt=1&token=x%2Fy', '/a/b', 'attempt=1&token=x%2Fy'],
    ['AGI://[::1]:4573/hangup?', '/hangup', ''],
    ['hagi://pbx.example.org/x', '/x', ''],
    ['agi://127.0.0.1', '/', ''],
  ])('reads the url %s', (url, script, query) => {
    const request = parseRequest({ agi_request: url });
    expect(request.script).toBe(script);
    expect(request.query.toString()).toBe(query);
  });

  it.each(['', '/var/lib/asterisk/agi-bin/x', 'http://h/x'])('refuses the url "%s"', (url) => {
    expect(() => parseRequest({ agi_request: url })).toThrow('agi_request is not an agi:// url');
  });

  it('has the arguments in their order, beyond nine as well', () => {
    const args = Array.from({ length: 12 }, (_, n) => `value ${n}`);
    expect(parseRequest(readEnvironment(environment({ args }))!).args).toEqual(args);
  });
});

describe('replies', () => {
  it.each([
    ['200 result=0', { code: 200, result: '0', value: null, endpos: null }],
    ['200 result=53 endpos=10880', { code: 200, result: '53', value: null, endpos: 10_880 }],
    ['200 result=-1 endpos=0', { code: 200, result: '-1', value: null, endpos: 0 }],
    [
      '200 result=1 (value with ) parens)',
      { code: 200, result: '1', value: 'value with ) parens', endpos: null },
    ],
    ['200 result=1 ()', { code: 200, result: '1', value: '', endpos: null }],
    ['200 result=1 (a endpos=7)', { code: 200, result: '1', value: 'a endpos=7', endpos: null }],
    ['200 result=1 (speech) endpos=9 results=0 ', { code: 200, result: '1', value: 'speech', endpos: 9 }],
    ['200 result= (timeout)', { code: 200, result: '', value: 'timeout', endpos: null }],
    ['510 Invalid or unknown command', { code: 510, result: '', value: null, endpos: null }],
  ])('reads %s', (line, reply) => {
    expect(parseReply(line)).toMatchObject(reply);
    expect(readReplies(`${line}\n`)).toMatchObject([reply]);
  });

  it('reads a usage text to its end, with empty lines and lines that look like others in it', () => {
    const text =
      'Invalid command syntax.  Proper usage follows:\nHANGUP\n\n520 x\n200 result=1\n520 End of proper usage.';
    expect(readReplies(`520-${text}\n200 result=7\n`)).toMatchObject([
      { code: 520, text },
      { code: 200, result: '7' },
    ]);
  });

  it('takes the end of a usage text that has no line of its own', () => {
    expect(readReplies('520-Invalid\nUsage: X520 End of proper usage.\nHANGUP\n')).toMatchObject([
      { code: 520 },
      'HANGUP',
    ]);
  });

  it('keeps the line breaks of a variable in its value', () => {
    expect(readReplies('200 result=1 (one\nHANGUP\nthree)\n')).toMatchObject([
      { value: 'one\nHANGUP\nthree' },
    ]);
  });

  it('passes over announcements and what is no reply', () => {
    expect(readReplies('100 result=0 Trying...\nnonsense\n\n200 result=1\n')).toMatchObject([{ code: 200 }]);
  });

  it('refuses a reply that does not end', () => {
    expect(() => readReplies(`520-Invalid\n${'usage\n'.repeat(60)}`)).toThrow('a reply is over');
  });
});

describe('commands', () => {
  it('quotes every argument so that Asterisk reads what was meant', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[^\r\n\0]{0,20}$/)), (args) => {
        expect(parseArguments(renderCommand('EXEC', args).slice(0, -1))).toEqual(['EXEC', ...args]);
      }),
    );
  });

  it.each(['a\nb', 'a\r', '\0'])('refuses %j', (argument) => {
    expect(() => quote(argument)).toThrow('it has a line break or a NUL');
  });

  it('keeps to the 2,047 bytes that every Asterisk reads, or the 8,191 that a new one does', () => {
    const fits = (bytes: number) => 'x'.repeat(bytes - 'VERBOSE "" "1"\n'.length);
    expect(renderCommand('VERBOSE', [fits(2_047), '1'])).toHaveLength(2_047);
    expect(() => renderCommand('VERBOSE', [fits(2_048), '1'])).toThrow('longer than 2047 bytes');
    expect(() => renderCommand('VERBOSE', ['è'.repeat(1_020), '1'])).toThrow('longer than 2047 bytes');
    expect(renderCommand('VERBOSE', [fits(8_191), '1'], 8_191)).toHaveLength(8_191);
    expect(() => renderCommand('VERBOSE', [fits(8_192), '1'], 9_999)).toThrow('longer than 8191 bytes');
  });
});
