import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNumber } from '../../src/calls/number.js';
import { demoContacts, expectationOf, KINDS } from '../../src/demo/kinds.js';

describe('the contacts of the demo', () => {
  it('are shared out to the kinds as their shares say', () => {
    const contacts = demoContacts(200);
    const counts = KINDS.map(({ code }) => contacts.filter(({ kind }) => kind.code === code).length);
    expect(counts).toEqual([80, 20, 20, 28, 20, 12, 10, 10]);
    expect(KINDS.reduce((sum, { share }) => sum + share, 0)).toBe(100);
  });

  it('are as many as asked for, of every kind, with different numbers that can be dialled', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 10_000 }), (count) => {
        const contacts = demoContacts(count);
        expect(contacts).toHaveLength(count);
        expect(new Set(contacts.map(({ kind }) => kind)).size).toBe(KINDS.length);
        expect(new Set(contacts.map(({ number }) => number)).size).toBe(count);
        for (const { number, kind } of contacts) {
          if (!number.endsWith(kind.code) || parseNumber(number) !== number) throw new Error(number);
        }
      }),
      { numRuns: 20, examples: [[8], [9], [40], [10_000]] },
    );
  });

  it('must end as their far ends dictate', () => {
    const expected = Object.fromEntries(KINDS.map((kind) => [kind.code, expectationOf(kind)]));
    expect(expected).toEqual({
      '200': { state: 'answered', attempts: 1 },
      '202': { state: 'answered', attempts: 1 },
      '203': { state: 'answered', attempts: 1 },
      '486': { state: 'busy', attempts: 3 },
      '180': { state: 'no_answer', attempts: 2 },
      '603': { state: 'failed', attempts: 1 },
      '404': { state: 'invalid', attempts: 1 },
      '503': { state: 'failed', attempts: 3 },
    });
  });
});
