import { expect, test } from 'vitest';
import { parseDuration } from '../../src/calls/duration.js';

test.each([
  ['500ms', 0.5],
  ['0s', 0],
  ['90s', 90],
  ['5m', 300],
  ['2h', 7200],
  ['1d', 86_400],
  ['3650d', 315_360_000],
])('reads %s as %d seconds', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
});

test.each(['', '10', 's', '-1s', '1.5h', '1h30m', ' 10s', '10S', '10 s', '10s\n', '1e3s', '٣s'])(
  'refuses %j and says what a duration looks like',
  (text) => {
    expect(() => parseDuration(text)).toThrow(/is not a duration: .* such as 90s/);
  },
);

test('refuses what nobody can mean', () => {
  expect(() => parseDuration('3651d')).toThrow(/longer than 3650d/);
  expect(() => parseDuration(`${'9'.repeat(400)}d`)).toThrow(/longer than 3650d/);
});
