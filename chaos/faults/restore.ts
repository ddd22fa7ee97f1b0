import { execFile } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { until } from '../../src/lab/condition.js';
import { type Allowance, type Fault, NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';

const run = promisify(execFile);

const WRITTEN_BACK_MS = 20_000;

const RESTORED: Allowance = {
  because:
    'the database is restored from a copy: contacts that came after the copy are not there, nor are their calls',
  dispositions: ['lost'],
  forgotten: true,
};

/** Attempts of contacts that there were already at `since`, by call. */
async function attemptsSince(lab: ChaosLab, since: Date): Promise<Set<string>> {
  const rows = await lab.query<{ call: string }>(
    `SELECT a.tenant_id || '.' || a.id AS call FROM attempts a
      JOIN contacts c ON c.tenant_id = a.tenant_id AND c.id = a.contact_id WHERE c.created_at < $1`,
    [since],
  );
  return new Set(rows.map(({ call }) => call));
}

/** The campaigns that somebody has stopped. */
const stoppedOf = async (lab: ChaosLab) =>
  JSON.stringify(
    await lab.query(`SELECT name FROM campaigns WHERE status IN ('paused', 'cancelled') ORDER BY name`),
  );

async function stopped<T>(lab: ChaosLab, work: () => Promise<T>): Promise<T> {
  await lab.postgres.stop();
  try {
    return await work();
  } finally {
    await lab.postgres.start();
  }
}

/** Puts the copy back, and sees that every call that was made since is there again. */
async function restore(lab: ChaosLab, copy: string, since: Date): Promise<void> {
  const { dataDir } = lab.postgres;
  const before = await attemptsSince(lab, since);
  await stopped(lab, async () => {
    await rename(dataDir, `${dataDir}.lost`);
    await rename(copy, dataDir);
    await rm(`${dataDir}.lost`, { recursive: true });
  });
  const missing = async () => {
    const now = await attemptsSince(lab, since);
    return [...before].filter((call) => !now.has(call));
  };
  const back = await until(async () => (await missing()).length === 0, { timeoutMs: WRITTEN_BACK_MS });
  if (!back) throw new Error(`calls that were not written back: ${(await missing()).slice(0, 5).join(', ')}`);
}

function restored(kind: string, away: (lab: ChaosLab, work: () => Promise<void>) => Promise<void>): Fault {
  return {
    kind,
    component: 'database-copy',
    needs: ['postgres', 'campanile', 'spool', 'asterisk'],
    seconds: 60,
    allows: RESTORED,
    async inject(lab) {
      const copy = `${lab.postgres.dataDir}.copy`;
      await rm(copy, { recursive: true, force: true });
      const before = await stoppedOf(lab);
      // Before the stop: contacts are waiting to be added the moment that Postgres is back.
      const since = new Date();
      await stopped(lab, () => run('cp', ['-a', lab.postgres.dataDir, copy]));
      const { from, to } = lab.copyAgeMs;
      await sleep(from + lab.random() * (to - from));
      // The stop of a campaign would be forgotten with the rest, and its tenant would have to stop it again.
      if ((await stoppedOf(lab)) !== before) throw new NotReached('a campaign was stopped since the copy');
      await away(lab, () => restore(lab, copy, since));
    },
  };
}

/** A database that is restored from an older copy of itself. */
export const restoreFaults: readonly Fault[] = [
  restored('database restored under a campanile that runs', (_, work) => work()),
  restored('database restored while campanile was stopped', async (lab, work) => {
    await lab.campanile.stop();
    // What is written back is waited for, so it must run by then.
    const starting = sleep(3000).then(() => lab.campanile.start());
    await work();
    await starting;
  }),
];
