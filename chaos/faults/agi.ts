import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../fault.js';
import type { ChaosLab } from '../lab.js';

/** For `from` to `to` milliseconds FastAGI is as `begin` makes it. */
function disturbed(kind: string, begin: (lab: ChaosLab) => void, from: number, to: number): Fault {
  return {
    kind,
    component: 'agi',
    seconds: to / 1000,
    async inject(lab) {
      begin(lab);
      await sleep(from + lab.random() * (to - from));
      lab.agi.pass();
    },
  };
}

/** FastAGI stopped, stalled (accepts, never answers), and slow. */
export const agiFaults: readonly Fault[] = [
  disturbed('fastagi stopped', (lab) => lab.agi.refuse(), 3000, 10_000),
  disturbed('fastagi stalled', (lab) => lab.agi.stall(), 3000, 10_000),
  disturbed('fastagi slow', (lab) => lab.agi.slow(200 + lab.random() * 2000), 5000, 15_000),
];
