import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';

/** More than an inotify queue holds (/proc/sys/fs/inotify/max_queued_events, 16,384 by default). */
const EVENTS = 20_000;

/** Makes and removes directories, each an event of its own, while `pid` cannot read any. */
async function overflow(directory: string, pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    for (let i = 0; i < EVENTS / 2; i++) {
      const path = join(directory, `.flood-${i}`);
      await mkdir(path);
      await rmdir(path);
    }
    // What happens now is not told any more.
    await sleep(1000);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

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
    async inject(lab) {
      const { pid } = lab.campanile;
      if (pid === null) throw new NotReached('campanile does not run');
      await overflow(join(lab.asterisk.spoolDir, 'outgoing_done'), pid);
    },
  },
  {
    kind: 'NOTIFY lost',
    component: 'postgres',
    seconds: 8,
    inject: (lab) => dropNotifications(lab, 3000 + lab.random() * 5000),
  },
];
