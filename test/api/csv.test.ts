import { parse } from 'csv-parse/sync';
import { array, assert, constantFrom, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guard, renderHeader, renderRows, unguard } from '../../src/api/csv.js';

describe('a cell', () => {
  it.each([
    '=1+1',
    '+1 or more',
    '-cmd',
    '@SUM(A1)',
    '\tx',
    '\rx',
    '\nx',
    '＝1',
    '=HYPERLINK("http://x")',
    '+49301100000=1',
    '-1+1',
  ])('that a spreadsheet would compute gets an apostrophe: %j', (text) => {
    expect(guard(text)).toBe(`'${text}`);
  });

  it.each([
    ['a;=1+1;b', "a;'=1+1;b"],
    ['\t=1', "'\t'=1"],
    ['a\n@SUM(A1)', "a\n'@SUM(A1)"],
    ["=1;'-2", "'=1;''-2"],
  ])('in which one would compute a part gets apostrophes there: %j', (text, guarded) => {
    expect(guard(text)).toBe(guarded);
    expect(unguard(guarded)).toBe(text);
  });

  it.each(['+49301100000', '-12.50', '0', 'Ada', '', "O'Hara", "'tis", '1=1', ' =1'])(
    'that is a number, or computes nothing, is as it is: %j',
    (text) => {
      expect(guard(text)).toBe(text);
      expect(unguard(text)).toBe(text);
    },
  );

  it('comes back from an upload as it was, whatever is in it', () => {
    const cell = array(
      constantFrom("'", '=', '+', '-', '@', '\t', '\r', '\n', '"', ',', ';', ' ', '1', 'ä', '＋'),
      {
        maxLength: 6,
      },
    ).map((chars) => chars.join(''));
    assert(
      property(
        array(
          cell.map((c) => c),
          { minLength: 2, maxLength: 2 },
        ),
        string(),
        (cells, text) => {
          const row = ['x', ...cells, text];
          // As src/api/contact-rows.ts reads it.
          const [read] = parse(renderRows([row]), { trim: true, relax_column_count: true }) as string[][];
          expect(read!.map(unguard)).toEqual(row);
        },
      ),
    );
  });
});

describe('a file', () => {
  it('begins with a byte order mark and the header row, and ends its rows as RFC 4180 does', () => {
    expect(renderHeader(['a', 'field.b,c'])).toBe('\uFEFFa,"field.b,c"\r\n');
    expect(
      renderRows([
        ['1', null],
        ['2', 'x'],
      ]),
    ).toBe('1,\r\n2,x\r\n');
  });

  it('has times in RFC 3339, numbers and truth as in JSON, and nothing for null', () => {
    const row = [new Date('2026-11-21T10:00:00.25Z'), 5.25, -3, true, false, null, undefined, 0];
    expect(renderRows([row])).toBe('2026-11-21T10:00:00.250Z,5.25,-3,true,false,,,0\r\n');
  });
});
