import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../src/lab/condition.js';
import { packageRoot } from '../../src/root.js';
import { findFailPoints } from '../fail-points.js';
import { type Fault, NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';
import type { Load } from '../load.js';
import { ASTERISK_DIED, ASTERISK_FROZEN } from './asterisk.js';
import { overflow } from './overflow.js';
import { withFilesWaiting } from './waiting-files.js';

const AWAY_MS = 1000;
/** In traffic each step is taken many times a second. */
const PASSED_WITHIN_MS = 10_000;
/** A few passings later is another moment: other calls are up, others wait. */
const MOST_PASSINGS = 20;
/** The contacts of a campaign that is there for one fault. */
const EXTRA_CONTACTS = 40;

/** Waits until it is killed at `name`, which is armed. */
async function untilKilled(lab: ChaosLab, name: string): Promise<void> {
  const gone = await until(() => lab.campanile.pid === null, { timeoutMs: PASSED_WITHIN_MS });
  const armedStill = lab.campanile.disarm();
  if (!gone && armedStill) throw new NotReached(`nothing passed "${name}"`);
}

/** Kills it where it passes `name`, and resolves when it is gone. */
async function killAt(lab: ChaosLab, name: string, most = MOST_PASSINGS): Promise<void> {
  await lab.campanile.arm(name, 1 + Math.floor(lab.random() * most));
  await untilKilled(lab, name);
}

/** Starts it with the point armed, which a start passes; then again, without. */
async function killAtStart(lab: ChaosLab, name: string): Promise<void> {
  await lab.campanile.arm(name, 1);
  await lab.campanile.startOnce().catch(() => {});
  const passed = !lab.campanile.disarm();
  if (lab.campanile.pid === null) await lab.campanile.start();
  if (!passed) throw new NotReached(`no start passed "${name}"`);
}

/** Kills it at `name` while it announces files that Asterisk did not hear of. */
async function killWhileAnnouncing(lab: ChaosLab, name: string): Promise<void> {
  await withFilesWaiting(lab, {
    before: () => overflow(join(lab.asterisk.spoolDir, 'outgoing')),
    meanwhile: () => lab.campanile.arm(name, 1),
  });
  await untilKilled(lab, name);
  await lab.campanile.start();
}

/** Kills it at `name` while it takes the files of a cancelled campaign back. */
async function killWhileCancelling(lab: ChaosLab, name: string, load: Load): Promise<void> {
  let cancelling: Promise<void> = Promise.resolve();
  await withFilesWaiting(lab, {
    async before() {
      const campaign = await load.extra(EXTRA_CONTACTS);
      cancelling = until(() => lab.campanile.pid !== null && holds(lab, campaign.id), {
        timeoutMs: PASSED_WITHIN_MS,
      }).then(() => load.stop(campaign, 'cancel'));
      cancelling.catch(() => {});
    },
    async meanwhile() {
      await lab.campanile.arm(name, 1);
      await untilKilled(lab, name);
    },
  });
  await lab.campanile.start();
  await cancelling;
}

async function holds(lab: ChaosLab, campaignId: string): Promise<boolean> {
  const [row] = await lab.query<{ calling: string }>('SELECT calling FROM campaigns WHERE id = $1', [
    campaignId,
  ]);
  return Number(row?.calling ?? 0) > 0;
}

async function killAtSpeech(lab: ChaosLab, name: string, load: Load): Promise<void> {
  await lab.campanile.arm(name, 1 + Math.floor(lab.random() * 3));
  await load.extra(EXTRA_CONTACTS, { words: true });
  await untilKilled(lab, name);
  await lab.campanile.start();
}

/** How the states are brought about that traffic alone does not lead to. */
const PROVOKED: Record<
  string,
  Pick<Fault, 'needs' | 'allows' | 'seconds'> & {
    by(lab: ChaosLab, name: string, load: Load): Promise<void>;
  }
> = {
  'released while staged': {
    seconds: 20,
    async by(lab, name) {
      await killAt(lab, 'claimed');
      await killAtStart(lab, name);
    },
  },
  'recovered with file left': {
    seconds: 20,
    // What is archived meanwhile is found by the start; it is older than the watcher's grace then.
    async by(lab, name) {
      await lab.campanile.kill();
      await sleep(12_000);
      await killAtStart(lab, name);
    },
  },
  'lost with file left': {
    needs: ['asterisk'],
    allows: ASTERISK_DIED,
    seconds: 20,
    async by(lab, name) {
      await lab.campanile.kill();
      await lab.asterisk.kill();
      await lab.asterisk.start();
      await killAtStart(lab, name);
    },
  },
  ...Object.fromEntries(
    ['frozen before withdrawn', 'withdrawn', 'announced while staged'].map((name) => [
      name,
      {
        needs: ['asterisk', 'postgres', 'spool'],
        allows: ASTERISK_FROZEN,
        seconds: 25,
        by: killWhileAnnouncing,
      },
    ]),
  ),
  'cancelled while staged': {
    needs: ['asterisk', 'postgres', 'spool'],
    allows: ASTERISK_FROZEN,
    seconds: 25,
    by: killWhileCancelling,
  },
  spoken: { seconds: 15, by: killAtSpeech },
  'spoken and placed': { seconds: 15, by: killAtSpeech },
};

function killedAt(name: string): Fault {
  const provoked = PROVOKED[name];
  return {
    kind: `campanile killed at "${name}"`,
    component: 'campanile',
    ...(provoked?.needs ? { needs: provoked.needs } : {}),
    ...(provoked?.allows ? { allows: provoked.allows } : {}),
    seconds: provoked?.seconds ?? 6,
    async inject(lab, load) {
      if (provoked) return provoked.by(lab, name, load);
      await killAt(lab, name);
      await sleep(lab.random() * AWAY_MS);
      await lab.campanile.start();
    },
  };
}

/** kill -9 of Campanile at each fail point of src. */
export const failPointFaults: readonly Fault[] = findFailPoints(join(packageRoot, 'src'), '.ts').map(
  killedAt,
);
