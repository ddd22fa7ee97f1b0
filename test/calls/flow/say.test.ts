import { describe, expect, it } from 'vitest';
import { sayingOf, sayingOrSpelt, sayPartProblem, sayProblem } from '../../../src/calls/flow/say.js';
import type { SAY_AS } from '../../../src/calls/flow/schema.js';
import { flowDefinition } from '../../../src/calls/flow/schema.js';
import { spokenOrWhy } from '../../../src/calls/flow/spoken.js';

type As = (typeof SAY_AS)[number];
const saying = (say: As, value: string, more: { currency?: string } = {}, language = 'en') =>
  sayingOf({ say, ...more }, value, language, 'Europe/Berlin');

describe('what Asterisk is to say', () => {
  it.each([
    ['number', ' -12 ', '-12'],
    ['digits', '+49 (30) 12-34', '49301234'],
    ['digits', '*1#', '*1#'],
    ['characters', 'AB-1', 'AB-1'],
    ['money', '12.5', '12.50'],
    ['money', '7', '7.00'],
  ] as const)('is %s %s', (as, value, text) => {
    expect(saying(as, value)).toEqual({ as, text });
  });

  it('is what clock and calendar show where the callee is', () => {
    expect(saying('time', '14:30')).toMatchObject({ at: new Date('1970-01-01T14:30Z') });
    expect(saying('datetime', '2026-11-25T14:30')).toMatchObject({ at: new Date('2026-11-25T14:30Z') });
    // Summer and winter, and the day after.
    expect(saying('datetime', '2026-07-01T10:00Z')).toMatchObject({ at: new Date('2026-07-01T12:00Z') });
    expect(saying('date', '2026-11-25T23:30Z')).toMatchObject({ at: new Date('2026-11-26T00:30Z') });
  });

  it.each([
    ['number', '1.5'],
    ['number', '1234567890'],
    ['number', ''],
    ['digits', '12a'],
    ['digits', ''],
    ['characters', 'ä'],
    ['characters', ''],
    ['date', '14:30'],
    ['date', '25.11.2026'],
    ['time', '2026-11-25'],
    ['datetime', '2026-11-25'],
    ['money', '12,50'],
    ['money', '-1'],
  ] as const)('is no %s of %j', (as, value) => {
    expect(sayProblem({ say: as }, value, 'en', 'UTC')).toContain('is n');
  });

  it('is spelt in a call where it cannot be said as it was meant, and is nothing where not even that', () => {
    const spelt = (value: string) => sayingOrSpelt({ say: 'date' }, value, 'en', 'UTC');
    expect(spelt('soon')).toEqual({ as: 'characters', text: 'soon' });
    expect(spelt('später')).toBe(null);
    expect(spelt('')).toBe(null);
  });

  it('is money in dollars and in English only', () => {
    expect(sayPartProblem({ say: 'money' }, 'en-GB')).toBe(null);
    expect(sayPartProblem({ say: 'money', currency: 'USD' }, 'en')).toBe(null);
    expect(sayPartProblem({ say: 'money', currency: 'EUR' }, 'en')).toContain('{amount:money:EUR}');
    expect(sayPartProblem({ say: 'money' }, 'de')).toContain('in English only');
    expect(sayPartProblem({ say: 'date', currency: 'USD' }, 'en')).toContain('for money only');
  });
});

describe('what a flow can say to a contact', () => {
  const flow = (value: string) =>
    flowDefinition.parse({
      start: 'a',
      steps: {
        a: { type: 'set', values: { kept: 'x' }, next: 'b' },
        b: { type: 'say', prompt: [{ say: 'date', value }, { text: 'Dear {name}' }] },
      },
    });
  const spoken = (value: string, fields: Record<string, string>) =>
    spokenOrWhy([flow(value)], { fields: { name: 'Ada', ...fields }, timeZone: 'UTC' }, () => null);

  it('are its texts, where Asterisk can say the rest', () => {
    expect(spoken('{d}', { d: '2026-11-25' })).toEqual([{ text: 'Dear Ada', language: 'en', voice: null }]);
    expect(spoken('{kept}', {})).toHaveLength(1);
    expect(spoken('{call.key}', {})).toHaveLength(1);
  });

  it('is nothing where a field cannot be said or is missing, which is told without what it holds', () => {
    expect(spoken('{d}', { d: 'soon' })).toBe('the field "d" cannot be said as date');
    expect(spoken('{d}', {})).toContain('the field "d" is missing');
    expect(spoken('tomorrow', {})).toBe('a value of the flow cannot be said as date');
  });
});
