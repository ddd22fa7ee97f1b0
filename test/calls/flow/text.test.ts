import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fieldsOf,
  fillText,
  MissingField,
  parseText,
  UnreadableField,
  type Values,
} from '../../../src/calls/flow/text.js';

const PLACE = { language: 'en', timeZone: 'Europe/Berlin' };
const fill = (text: string, values: Values, language = 'en') =>
  fillText(text, values, { ...PLACE, language });

describe('text with fields', () => {
  it('puts fields in', () => {
    expect(fill('Dear {first_name}, {n} left', { first_name: 'Ada', n: '3' })).toBe('Dear Ada, 3 left');
  });

  it('takes the default where a field is missing, empty or blank', () => {
    for (const values of [{}, { name: '' }, { name: ' \t' }]) {
      expect(fill('Dear {name|neighbour}', values)).toBe('Dear neighbour');
      expect(fill('On {name:date|one of these days}', values)).toBe('On one of these days');
      expect(fill('{name|}.', values)).toBe('.');
    }
    expect(fill('{n|none} {yes|none}', { n: '0', yes: 'false' })).toBe('0 false');
  });

  it('names a field that is missing and has no default', () => {
    expect(() => fill('Dear {first name}', { 'last name': 'x' })).toThrow(new MissingField('first name'));
    expect(() => fill('{first name}', {})).toThrow('"first name" is missing');
  });

  it('never fails in a call: there is something to say instead', () => {
    const said = fillText('{a} {b:date} {c|x}', { b: 'soon' }, { ...PLACE, missing: '?' });
    expect(said).toBe('? soon x');
  });

  it('never takes what every object has for a field', () => {
    expect(() => fill('{constructor}', {})).toThrow(MissingField);
    expect(() => fill('{__proto__}', {})).toThrow(MissingField);
  });

  it('knows braces', () => {
    expect(fill('a {{b}} {{{n}}}', { n: '1' })).toBe('a {b} {1}');
  });

  it('never reads braces of a field as fields', () => {
    expect(fill('{a} {b}', { a: '{b}', b: 'x' })).toBe('{b} x');
  });

  it('tells the fields of a text', () => {
    expect(fieldsOf('{a} {{b}} {c:date|soon} { d } {call.machine}')).toEqual([
      { name: 'a', hasDefault: false },
      { name: 'c', hasDefault: true },
      { name: 'd', hasDefault: false },
      { name: 'call.machine', hasDefault: false },
    ]);
  });

  it.each([
    ['a { b', 'a "{" has no other'],
    ['a } b', 'a "}" has no other'],
    ['{a{b}', 'a "{" has no other'],
    ['{}', 'names no field'],
    ['{ }', 'names no field'],
    ['{:date}', 'names no field'],
    ['{|x}', 'names no field'],
    ['{d:dat}', 'there are date, time, datetime'],
    ['{d:}', 'there are date, time, datetime'],
    ['{d:date:EUR}', 'has a ":" too many'],
    ['{d:money:EUR:x}', 'is not {name:format|default}'],
    ['{d:money}', 'such as {d:money:EUR}'],
    ['{d:money:eur}', 'such as {d:money:EUR}'],
  ])('refuses %s', (text, why) => {
    expect(() => parseText(text)).toThrow(RangeError);
    expect(() => parseText(text)).toThrow(why);
  });

  it('reads any text, or says what is wrong with it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('{', '}', ':', '|', 'a', 'date', ' ', 'money', 'EUR')),
        (pieces) => {
          const text = pieces.join('');
          try {
            expect(parseText(text)).toBeInstanceOf(Array);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
    );
  });

  it('gives back any text whose braces are doubled', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(fill(text.replace(/[{}]/g, '$&$&'), {})).toBe(text);
      }),
    );
  });

  it('puts any value in as it is, without the space around it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (before, value, after) => {
        fc.pre(value.trim() !== '');
        const double = (text: string) => text.replace(/[{}]/g, '$&$&');
        expect(fill(`${double(before)}{x}${double(after)}`, { x: value })).toBe(
          before + value.trim() + after,
        );
      }),
    );
  });
});

describe('formats', () => {
  it.each([
    ['{v:date}', '2026-11-25', 'en', 'November 25, 2026'],
    ['{v:date}', '2026-11-25', 'de', '25. November 2026'],
    ['{v:date}', '2026-11-25T14:30', 'it', '25 novembre 2026'],
    ['{v:weekday}', '2026-11-25', 'de', 'Mittwoch'],
    ['{v:time}', '14:30', 'en', '2:30 PM'],
    ['{v:time}', '14:30', 'de', '14:30'],
    ['{v:time}', '2026-11-25 14:30:59', 'de', '14:30'],
    ['{v:datetime}', '2026-11-25T14:30', 'en', 'November 25, 2026 at 2:30 PM'],
    // In Berlin it is an hour later, and in summer two.
    ['{v:time}', '2026-11-25T23:30:00Z', 'de', '00:30'],
    ['{v:date}', '2026-11-25T23:30:00.123Z', 'de', '26. November 2026'],
    ['{v:time}', '2026-07-01T10:00:00-05:00', 'de', '17:00'],
    ['{v:number}', '-1234567.5', 'en', '-1234567.5'],
    ['{v:number}', '1234567.5', 'de', '1234567,5'],
    ['{v:number}', '3', 'fa', '3'],
    ['{v:digits}', '+1 (415) 555-0123', 'en', '1 4 1 5 5 5 5 0 1 2 3'],
    ['{v:digits}', '007', 'en', '0 0 7'],
    ['{v:characters}', 'AB-12 ü', 'de', 'A B - 1 2 ü'],
    ['{v:money:EUR}', '12.5', 'en', '12.50 euros'],
    ['{v:money:EUR}', '12', 'de', '12 Euro'],
    ['{v:money:USD}', '1', 'en', '1 US dollar'],
    ['{v:money:JPY}', '1200', 'ja', '1200円'],
    // Latin is unknown to Intl, and a language that cannot be is no reason to fail.
    ['{v:date}', '2026-11-25', 'la', 'November 25, 2026'],
    ['{v:date}', '2026-11-25', 'de-a1', '25. November 2026'],
  ])('writes %s of %s in %s', (text, v, language, expected) => {
    expect(fill(text, { v }, language)).toBe(expected);
  });

  it.each([
    ['date', 'tomorrow'],
    ['date', '25.11.2026'],
    ['date', '11/12/2026'],
    ['date', '2026-02-30'],
    ['date', '2026-13-01'],
    ['date', '14:30'],
    ['date', '2026-11-25T'],
    ['date', '2026-11-2514:30'],
    ['date', '2026-11-25T1430'],
    ['date', '2026-11-25Tx14:30'],
    ['date', '2026-11-25 2026-11-25'],
    ['time', '2026-11-25T14:30+25:00'],
    ['date', '1764028800'],
    ['time', '24:00'],
    ['time', '14:60'],
    ['time', '2 pm'],
    ['time', '2026-11-25'],
    ['time', '14:30Z'],
    ['datetime', '2026-11-25'],
    ['datetime', '14:30'],
    ['weekday', 'Monday'],
    ['number', '12,5'],
    ['number', '1e5'],
    ['number', '0x10'],
    ['digits', '12a'],
    ['digits', '()'],
    ['money:EUR', '12 EUR'],
  ])('says that what is no %s is none: %s', (format, value) => {
    const missing = () => fill(`{when:${format}|soon}`, { when: value });
    expect(missing).toThrow(UnreadableField);
    expect(missing).toThrow(
      `the field "when" holds ${JSON.stringify(value)}: for ${format.split(':')[0]} it must be`,
    );
  });

  it('reads every day of the calendar back as that day', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          const day = date.toISOString().slice(0, 10);
          const spoken = fill('{d:date}', { d: day }, 'sv');
          expect(spoken.startsWith(String(date.getUTCDate()))).toBe(true);
          expect(spoken.endsWith(String(date.getUTCFullYear()))).toBe(true);
        },
      ),
    );
  });

  it('never throws anything but what names the field', () => {
    const format = fc.constantFrom(
      'date',
      'time',
      'datetime',
      'weekday',
      'number',
      'digits',
      'characters',
      'money:EUR',
    );
    fc.assert(
      fc.property(format, fc.string({ unit: 'binary' }), (format, v) => {
        try {
          expect(fill(`{v:${format}}`, { v })).not.toBe('');
        } catch (error) {
          expect(error instanceof MissingField || error instanceof UnreadableField).toBe(true);
        }
      }),
    );
  });
});
