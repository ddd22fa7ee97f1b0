import { describe, expect, it } from 'vitest';
import { parseNumber } from '../../src/calls/number.js';
import { createTestManners, TEST_CODES } from '../../src/sandbox/test-numbers.js';

const LISTENS = { kind: 'answers', acts: [] };

describe('test numbers', () => {
  it('are numbers that a contact may have', () => {
    for (const code of TEST_CODES) {
      for (const area of ['212', '415', '907'])
        expect(parseNumber(`+1${area}55501${code}`)).toBe(`+1${area}55501${code}`);
    }
  });

  it('are those of fiction only: all others are answered by somebody who listens', () => {
    const mannerOf = createTestManners();
    for (const number of ['+12125550030', '+12125550230', '+12125540130', '+442079460130', '+121255501300'])
      expect(mannerOf(number)).toMatchObject(LISTENS);
    expect(mannerOf('+12125550130')).toEqual({ kind: 'refuses', sipStatus: 486 });
    expect(mannerOf('+12125550199')).toMatchObject(LISTENS);
  });

  it('that change their mind do so with each call, each number for itself', () => {
    const mannerOf = createTestManners();
    const kinds = (number: string) => mannerOf(number).kind;
    expect([kinds('+12125550160'), kinds('+12125550160')]).toEqual(['refuses', 'answers']);
    expect([kinds('+13125550160'), kinds('+12125550160')]).toEqual(['refuses', 'refuses']);
    expect(kinds('+13125550160')).toBe('answers');
  });
});
