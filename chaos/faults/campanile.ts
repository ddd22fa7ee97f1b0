import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../src/lab/condition.js';
import { packageRoot } from '../../src/root.js';
import { findFailPoints } from '../fail-points.js';
import { type Allowance, type Fault, NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';
import { ASTERISK_DIED } from './asterisk.js';

const AWAY_MS = 1000;
/** In traffic each step is taken many times a second. */
const PASSED_WITHIN_MS = 10_000;
/** A few passings later is another moment: other calls are up, others wait. */
const MOST_PASSINGS = 20;

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
  async inject(lab) {
    const { pid } = lab.campanile;
    if (pid === null) throw new NotReached('campanile does not run');
    process.kill(pid, 'SIGSTOP');
    await sleep(1000 + lab.random() * 6000);
    process.kill(pid, 'SIGCONT');
  },
};

/** Kills it where it passes `name`, and resolves when it is gone. */
async function killAt(lab: ChaosLab, name: string, most: number): Promise<void> {
  await lab.campanile.arm(name, 1 + Math.floor(lab.random() * most));
  const gone = await until(() => lab.campanile.pid === null, { timeoutMs: PASSED_WITHIN_MS });
  const armedStill = lab.campanile.disarm();
  if (!gone && armedStill) throw new NotReached(`nothing passed "${name}"`);
}

/** Starts it with the point armed, which a start passes; then again, without. */
async function killAtStart(lab: ChaosLab, name: string): Promise<void> {
  await lab.campanile.arm(name, 1);
  const died = await lab.campanile.startOnce().then(
    () => false,
    () => true,
  );
  const passed = !lab.campanile.disarm();
  if (!died) await sleep(0);
  if (lab.campanile.pid === null) await lab.campanile.start();
  if (!passed) throw new NotReached(`no start passed "${name}"`);
}

/** What brings about the states that only a start sets right. */
const PROVOKED: Record<
  string,
  { needs?: Fault['needs']; allows?: Allowance; by(lab: ChaosLab): Promise<void> }
> = {
  'released while staged': {
    by: (lab) => killAt(lab, 'claimed', MOST_PASSINGS),
  },
  'recovered with file left': {
    // What is archived meanwhile is found by the start; it is older than the watcher's grace then.
    async by(lab) {
      await lab.campanile.kill();
      await sleep(12_000);
    },
  },
  'lost with file left': {
    needs: ['asterisk'],
    allows: ASTERISK_DIED,
    async by(lab) {
      await lab.campanile.kill();
      await lab.asterisk.kill();
      await lab.asterisk.start();
    },
  },
};

function killedAt(name: string): Fault {
  const provoked = PROVOKED[name];
  return {
    kind: `campanile killed at "${name}"`,
    component: 'campanile',
    ...(provoked?.needs ? { needs: provoked.needs } : {}),
    ...(provoked?.allows ? { allows: provoked.allows } : {}),
    seconds: provoked ? 20 : 6,
    async inject(lab) {
      if (provoked) {
        await provoked.by(lab);
        await killAtStart(lab, name);
        return;
      }
      await killAt(lab, name, MOST_PASSINGS);
      await sleep(lab.random() * AWAY_MS);
      await lab.campanile.start();
    },
  };
}

/** kill -9 of Campanile at a random moment, and at each fail point. */
export const campanileFaults: readonly Fault[] = [
  killed,
  frozen,
  ...findFailPoints(join(packageRoot, 'src'), '.ts').map(killedAt),
];
