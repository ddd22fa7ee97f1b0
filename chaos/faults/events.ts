import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../fault.js';
import type { ChaosLab } from '../lab.js';
import { ASTERISK_FROZEN } from './asterisk.js';
import { whileCampanileStands } from './campanile.js';
import { overflow } from './overflow.js';
import { withFilesWaiting } from './waiting-files.js';

/** Ends the sessions that listen, as often as they come back. */
async function dropNotifications(lab: ChaosLab, forMs: number): Promise<void> {
  for (const until = Date.now() + forMs; Date.now() < until; await sleep(100)) {
    await lab.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'campanile listen'`,
    );
  }
}

/** Hints that nobody hears: they are hints, and the sweep is the truth. */
export const eventFaults: readonly Fault[] = [
  {
    kind: 'file events lost',
    component: 'campanile',
    seconds: 5,
    inject: (lab) =>
      whileCampanileStands(lab, async () => {
        await overflow(join(lab.asterisk.spoolDir, 'outgoing_done'));
        // What happens now is not told any more.
        await sleep(1000);
      }),
  },
  {
    kind: 'file events lost to asterisk',
    component: 'campanile',
    needs: ['asterisk', 'postgres', 'spool'],
    seconds: 20,
    allows: ASTERISK_FROZEN,
    inject: (lab) =>
      withFilesWaiting(lab, {
        before: () => overflow(join(lab.asterisk.spoolDir, 'outgoing')),
        meanwhile: async () => {},
      }),
  },
  {
    kind: 'NOTIFY lost',
    component: 'postgres',
    seconds: 8,
    inject: (lab) => dropNotifications(lab, 3000 + lab.random() * 5000),
  },
];
