import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../fault.js';

/** FastAGI stopped, stalled (accepts, never answers), and slow. */
export const agiFaults: readonly Fault[] = [
  {
    kind: 'fastagi stopped',
    component: 'agi',
    seconds: 10,
    async inject(lab) {
      lab.agi.refuse();
      await sleep(3000 + lab.random() * 7000);
      lab.agi.pass();
    },
  },
  {
    kind: 'fastagi stalled',
    component: 'agi',
    seconds: 10,
    async inject(lab) {
      lab.agi.stall();
      await sleep(3000 + lab.random() * 7000);
      lab.agi.pass();
    },
  },
  {
    kind: 'fastagi slow',
    component: 'agi',
    seconds: 15,
    async inject(lab) {
      lab.agi.slow(200 + lab.random() * 2000);
      await sleep(5000 + lab.random() * 10_000);
      lab.agi.pass();
    },
  },
];
