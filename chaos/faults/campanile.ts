import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';
import { failPointFaults } from './steps.js';

const AWAY_MS = 1000;

/** Stops Campanile (SIGSTOP) until `work` is done. */
export async function whileCampanileStands(lab: ChaosLab, work: () => Promise<void>): Promise<void> {
  const { pid } = lab.campanile;
  if (pid === null) throw new NotReached('campanile does not run');
  process.kill(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

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

const frozen: Fault = {
  kind: 'campanile frozen',
  component: 'campanile',
  seconds: 8,
  inject: (lab) => whileCampanileStands(lab, () => sleep(1000 + lab.random() * 6000)),
};

/** kill -9 of Campanile at a random moment and at each fail point, and one that has no time for a while. */
export const campanileFaults: readonly Fault[] = [killed, frozen, ...failPointFaults];
