import { describe, expect, it } from 'vitest';
import { isRegion, parseNumber } from '../../src/calls/number.js';

describe('a phone number', () => {
  it('is E.164 after parsing, in the region when it has no country code', () => {
    expect(parseNumber('+1 (212) 555-0486')).toBe('+12125550486');
    expect(parseNumber('0171 1234567', 'DE')).toBe('+491711234567');
  });

  it.each([
    ['0171 1234567', null],
    ['+1 212 555 0486 ext. 5', null],
    ['+12125550486\r\nApplication: System', null],
    ['+1212555048600000', null],
    ['call me +12125550486', 'US'],
    ['', 'US'],
    ['1'.repeat(2048), 'US'],
    ['110', 'DE'],
  ])('is refused: %j', (text, region) => {
    expect(parseNumber(text, region)).toBeNull();
  });

  it('knows the regions it can read numbers in', () => {
    expect(isRegion('IT')).toBe(true);
    expect(isRegion('XX')).toBe(false);
  });
});
