import { describe, expect, it } from 'vitest';
import { nextStep, parseDelays } from '../../src/calls/retry.js';

describe('a retry rule', () => {
  it('is a list of delays, each optionally repeated', () => {
    expect(parseDelays('5m,15m')).toEqual([300, 900]);
    expect(parseDelays('1m*3, 2h')).toEqual([60, 60, 60, 7200]);
  });

  it.each(['', '5', '5m,', 'soon', '1m*0', '1m*-1', '5m;15m', '1m*101'])('refuses "%s"', (rule) => {
    expect(() => parseDelays(rule)).toThrow();
  });
});

describe('the next step of a contact', () => {
  const campaign = { retry: { busy: '5m,15m', no_answer: '1m*3' }, maxAttempts: 4, cancelled: false };

  it('takes the delay of how often that disposition came', () => {
    expect(nextStep('busy', { attempts: 1, endedSo: 1 }, campaign)).toEqual({
      state: 'retrying',
      delaySeconds: 300,
    });
    expect(nextStep('busy', { attempts: 3, endedSo: 2 }, campaign)).toEqual({
      state: 'retrying',
      delaySeconds: 900,
    });
  });

  it('ends when the rule has no more delays', () => {
    expect(nextStep('busy', { attempts: 3, endedSo: 3 }, campaign)).toEqual({ state: 'busy' });
  });

  it('ends at the maximum of attempts, whatever the dispositions were', () => {
    expect(nextStep('busy', { attempts: 4, endedSo: 1 }, campaign)).toEqual({ state: 'busy' });
  });

  it('ends at once without a rule', () => {
    expect(nextStep('rejected', { attempts: 1, endedSo: 1 }, campaign)).toEqual({ state: 'failed' });
    expect(nextStep('invalid_number', { attempts: 1, endedSo: 1 }, campaign)).toEqual({ state: 'invalid' });
    expect(nextStep('answered', { attempts: 1, endedSo: 1 }, campaign)).toEqual({ state: 'answered' });
  });

  it('retries nothing of a cancelled campaign', () => {
    const cancelled = { ...campaign, cancelled: true };
    expect(nextStep('busy', { attempts: 1, endedSo: 1 }, cancelled)).toEqual({ state: 'cancelled' });
    expect(nextStep('answered', { attempts: 1, endedSo: 1 }, cancelled)).toEqual({ state: 'answered' });
  });
});
