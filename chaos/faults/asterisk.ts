import { setTimeout as sleep } from 'node:timers/promises';
import type { Allowance, Fault } from '../fault.js';
import type { ChaosLab } from '../lab.js';

/** What the death of Asterisk does to the calls that are up. */
export const ASTERISK_DIED: Allowance = {
  because: 'Asterisk dies with calls up: these attempts end `lost`, or `answered` if the answer was seen',
  dispositions: ['lost'],
};

/** What an Asterisk that stands still does to the calls that are up. */
export const ASTERISK_FROZEN: Allowance = {
  because:
    'Asterisk has no time for some seconds: who answers just then may be taken for no answer, or for out of reach',
  dispositions: ['no_answer', 'unreachable'],
};

async function die(lab: ChaosLab, samePid: boolean): Promise<void> {
  await lab.asterisk.kill();
  await sleep(lab.random() * 3000);
  await lab.asterisk.start({ samePid });
}

/** kill -9 of Asterisk with calls up, and one that has no time for a while. */
export const asteriskFaults: readonly Fault[] = [
  {
    kind: 'asterisk killed (another pid)',
    component: 'asterisk',
    seconds: 8,
    allows: ASTERISK_DIED,
    inject: (lab) => die(lab, false),
  },
  {
    kind: 'asterisk killed (same pid)',
    component: 'asterisk',
    seconds: 8,
    allows: ASTERISK_DIED,
    inject: (lab) => die(lab, true),
  },
  {
    kind: 'asterisk frozen',
    component: 'asterisk',
    seconds: 8,
    allows: ASTERISK_FROZEN,
    async inject(lab) {
      lab.asterisk.freeze();
      await sleep(1000 + lab.random() * 6000);
      lab.asterisk.thaw();
    },
  },
];
