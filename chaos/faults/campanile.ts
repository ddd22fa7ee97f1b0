import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../fault.js';

/** Longer than a lab of two cores takes from one call to the next. */
const AWAY_MS = 1000;

const killed: Fault = {
  kind: 'campanile killed',
  component: 'campanile',
  seconds: 5,
  async inject(lab) {
    await lab.campanile.kill();
    await sleep(lab.random() * AWAY_MS);
    await lab.campanile.start();
  },
};

/** kill -9 of Campanile at a random moment. */
export const campanileFaults: readonly Fault[] = [killed];
