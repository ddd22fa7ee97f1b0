import { describe, expect, it } from 'vitest';
import { AMD_DEFAULTS, amdArguments, readVerdict } from '../../src/calls/machine.js';

describe('the arguments of AMD()', () => {
  it('are its settings in its own order', () => {
    expect(amdArguments(AMD_DEFAULTS)).toBe('2500,1500,800,5000,100,50,2,256,5000');
    const numbered = Object.fromEntries(Object.keys(AMD_DEFAULTS).map((name) => [name, name])) as never;
    expect(amdArguments(numbered)).toBe(
      'initial_silence,greeting,after_greeting_silence,total_analysis_time,minimum_word_length,between_words_silence,maximum_number_of_words,silence_threshold,maximum_word_length',
    );
  });
});

describe('the verdict of AMD()', () => {
  it.each([
    ['HUMAN', 'HUMAN-820-800', 'person', 'HUMAN', 820, 800],
    ['MACHINE', 'LONGGREETING-1520-1500', 'machine', 'LONGGREETING', 1520, 1500],
    ['MACHINE', 'MAXWORDS-3-2', 'machine', 'MAXWORDS', 3, 2],
    ['MACHINE', 'MAXWORDLENGTH-5000', 'machine', 'MAXWORDLENGTH', 5000, null],
    ['MACHINE', 'INITIALSILENCE-2500-2500', 'machine', 'INITIALSILENCE', 2500, 2500],
    ['NOTSURE', 'TOOLONG-5000', 'unsure', 'TOOLONG', 5000, null],
    ['NOTSURE', 'NOAUDIODATA-5', 'unsure', 'NOAUDIODATA', 5, null],
    ['HANGUP', '', 'hung_up', null, null, null],
    // It could not listen.
    ['', '', 'unsure', null, null, null],
    [null, null, 'unsure', null, null, null],
    ['MACHINE', 'nonsense; of-an-old-one', 'machine', null, null, null],
  ])('%s %s is %s', (status, cause, ...expected) => {
    const verdict = readVerdict(status, cause, 1234, 'hang_up');
    expect([verdict.status, verdict.cause, verdict.measured, verdict.limit]).toEqual(expected);
    expect(verdict).toMatchObject({ after_ms: 1234, beep: null, beep_after_ms: null });
    expect(verdict.action).toBe(verdict.status === 'machine' ? 'hang_up' : null);
  });
});
