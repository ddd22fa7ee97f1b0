import { expect, it } from 'vitest';
import { chimeWav } from '../../src/demo/chime.js';
import { parseWav } from '../../src/messages/wav.js';

it('the chime is a message that Asterisk plays, of the length asked for, neither silent nor clipped', () => {
  const { file, seconds } = parseWav(chimeWav(2.4));
  expect(seconds).toBe(2.4);
  const samples = new Int16Array(file.buffer, file.byteOffset + 44, (file.length - 44) / 2);
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  expect(loudest).toBeGreaterThan(6_000);
  expect(loudest).toBeLessThan(30_000);
  // It ends in silence, without a click.
  expect(Math.abs(samples.at(-1)!)).toBeLessThan(20);
});
