import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../fault.js';

/** kill -9 of Postgres, none of it for a minute, and one that keeps its connections and says nothing. */
export const postgresFaults: readonly Fault[] = [
  {
    kind: 'postgres killed',
    component: 'postgres',
    seconds: 5,
    async inject(lab) {
      await lab.postgres.kill();
      await sleep(lab.random() * 1000);
      await lab.postgres.start();
    },
  },
  {
    kind: '60 s without a database',
    component: 'postgres',
    seconds: 65,
    async inject(lab) {
      await lab.postgres.kill();
      await sleep(60_000);
      await lab.postgres.start();
    },
  },
  {
    kind: 'postgres frozen',
    component: 'postgres',
    seconds: 20,
    async inject(lab) {
      await lab.postgres.freeze();
      await sleep(5000 + lab.random() * 15_000);
      await lab.postgres.thaw();
    },
  },
];
