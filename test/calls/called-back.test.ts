import { expect, it } from 'vitest';
import { readingsOf } from '../../src/calls/called-back.js';

it.each([
  ['+12126661000', [], [['+12126661000', null]]],
  // As many carriers deliver it.
  ['12126661000', [], [['+12126661000', null]]],
  ['2126661000', ['US'], [['+12126661000', 'US']]],
  ['12126661000', ['US'], [['+12126661000', null]]],
  ['03011001234', ['DE', 'IT'], expect.arrayContaining([['+493011001234', 'DE']])],
  ['2126661000', [], []],
  ['anonymous', ['US'], []],
  ['unknown', ['US'], []],
  ['', ['US'], []],
  ["+12126661000' OR 1=1", ['US'], []],
])('%j in %j', (text, regions, expected) => {
  expect(readingsOf(text, regions).map(({ number, region }) => [number, region])).toEqual(expected);
});
