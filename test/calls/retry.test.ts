import { describe, expect, it } from 'vitest';
import { nextStep, parseDelays, type TrunkOrder } from '../../src/calls/retry.js';

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
  const oneTrunk = { trunks: 1, next: null };

  it('takes the delay of how often that disposition came', () => {
    expect(nextStep('busy', { attempts: 1, endedSo: 1, failedOver: 0 }, campaign, oneTrunk)).toEqual({
      state: 'retrying',
      delaySeconds: 300,
    });
    expect(nextStep('busy', { attempts: 3, endedSo: 2, failedOver: 0 }, campaign, oneTrunk)).toEqual({
      state: 'retrying',
      delaySeconds: 900,
    });
  });

  it('ends when the rule has no more delays', () => {
    expect(nextStep('busy', { attempts: 3, endedSo: 3, failedOver: 0 }, campaign, oneTrunk)).toEqual({
      state: 'busy',
    });
  });

  it('ends at the maximum of attempts, whatever the dispositions were', () => {
    expect(nextStep('busy', { attempts: 4, endedSo: 1, failedOver: 0 }, campaign, oneTrunk)).toEqual({
      state: 'busy',
    });
  });

  it('ends at once without a rule', () => {
    expect(nextStep('rejected', { attempts: 1, endedSo: 1, failedOver: 0 }, campaign, oneTrunk)).toEqual({
      state: 'failed',
    });
    expect(
      nextStep('invalid_number', { attempts: 1, endedSo: 1, failedOver: 0 }, campaign, oneTrunk),
    ).toEqual({ state: 'invalid' });
    expect(nextStep('answered', { attempts: 1, endedSo: 1, failedOver: 0 }, campaign, oneTrunk)).toEqual({
      state: 'answered',
    });
  });

  it('retries nothing of a cancelled campaign', () => {
    const cancelled = { ...campaign, cancelled: true };
    expect(nextStep('busy', { attempts: 1, endedSo: 1, failedOver: 0 }, cancelled, oneTrunk)).toEqual({
      state: 'cancelled',
    });
    expect(nextStep('answered', { attempts: 1, endedSo: 1, failedOver: 0 }, cancelled, oneTrunk)).toEqual({
      state: 'answered',
    });
  });

  describe('with trunks left to try', () => {
    const once = { attempts: 1, endedSo: 1, failedOver: 0 };
    const second: TrunkOrder = { trunks: 2, next: 2 };
    const rules = { ...campaign, retry: { congestion: '1m' } };

    it.each(['congestion', 'unreachable'] as const)(
      'takes the next at once after %s, without a rule',
      (ended) => {
        expect(nextStep(ended, once, { ...campaign, maxAttempts: 1 }, second)).toEqual({
          state: 'retrying',
          delaySeconds: 0,
          trunkFrom: 2,
        });
      },
    );

    it('takes none after what is not the fault of a trunk', () => {
      for (const ended of ['busy', 'no_answer', 'rejected', 'failed', 'lost', 'answered'] as const)
        expect(nextStep(ended, once, campaign, second)).toEqual(nextStep(ended, once, campaign, oneTrunk));
    });

    it('asks the rule when the last has failed, and counts all of them as one attempt', () => {
      const last = { trunks: 2, next: null };
      const round = { attempts: 2, endedSo: 1, failedOver: 1 };
      const retry = { state: 'retrying', delaySeconds: 60 };
      expect(nextStep('congestion', round, rules, last)).toEqual(retry);
      expect(nextStep('congestion', round, { ...rules, maxAttempts: 2 }, last)).toEqual(retry);
      expect(nextStep('congestion', round, { ...rules, maxAttempts: 1 }, last)).toEqual({ state: 'failed' });
    });

    it('takes no more attempts than the most for each trunk, whatever happens to order and rests', () => {
      let attempts = 0;
      let failedOver = 0;
      for (;;) {
        attempts += 1;
        // There is always a next one, as if each rested only while the contact was waiting for it.
        const step = nextStep('congestion', { attempts, endedSo: 1, failedOver }, rules, {
          trunks: 3,
          next: 2,
        });
        if (step.state !== 'retrying' || step.trunkFrom === undefined) break;
        failedOver += 1;
      }
      expect(attempts).toBe(1 + rules.maxAttempts * 2);
    });

    it('tries nothing for a cancelled campaign', () => {
      expect(nextStep('congestion', once, { ...rules, cancelled: true }, second)).toEqual({
        state: 'cancelled',
      });
    });
  });
});
