import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../src/lab/condition.js';
import { NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';

/** The calls that are up may take so long to end, but for a few that ring for longer. */
const DRAINS_MS = 10_000;
const FEW = 3;
const PLACES_MS = 10_000;
/** So many files are a few of each campaign's. */
const ENOUGH = 12;

/**
 * Has files lie in outgoing/ that Asterisk has not begun: Campanile stands still until its calls have ended, then Asterisk does,
 * and Campanile fills its ports. `before` is done while both stand still, `meanwhile` once the files lie there; Asterisk goes on after
 * it.
 */
export async function withFilesWaiting(
  lab: ChaosLab,
  { before, meanwhile }: { before(): Promise<void>; meanwhile(): Promise<void> },
): Promise<void> {
  const { pid } = lab.campanile;
  if (pid === null) throw new NotReached('campanile does not run');
  const outgoing = join(lab.asterisk.spoolDir, 'outgoing');
  const files = async () => (await readdir(outgoing)).filter((name) => name.endsWith('.call'));
  process.kill(pid, 'SIGSTOP');
  try {
    await until(async () => (await files()).length <= FEW, { timeoutMs: DRAINS_MS });
    lab.asterisk.freeze();
    try {
      const begun = new Set(await files());
      const placed = async () => (await files()).filter((name) => !begun.has(name)).length;
      await before();
      process.kill(pid, 'SIGCONT');
      if (!(await until(async () => (await placed()) >= ENOUGH, { timeoutMs: PLACES_MS })))
        throw new NotReached('campanile placed nothing');
      await meanwhile();
    } finally {
      lab.asterisk.thaw();
    }
  } finally {
    if (lab.campanile.pid === pid) process.kill(pid, 'SIGCONT');
  }
}
