import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Tx } from '../../src/db/pool.js';
import { waitForTurn } from '../../src/db/turn.js';
import { until } from '../../src/lab/condition.js';
import { NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';

/** The calls that are up may take so long to end, but for a few that ring for longer. */
const DRAINS_MS = 10_000;
const FEW = 5;
const PLACES_MS = 10_000;
/** So many files are a few of each campaign's. */
const ENOUGH = 12;

/**
 * Has files lie in outgoing/ that Asterisk has not begun: nothing is claimed until the calls that are up have ended, then Asterisk
 * stands still, and Campanile fills its ports. `before` is done once Asterisk stands still, `meanwhile` once the files lie there;
 * Asterisk goes on after it.
 */
export async function withFilesWaiting(
  lab: ChaosLab,
  { before, meanwhile }: { before(): Promise<void>; meanwhile(): Promise<void> },
): Promise<void> {
  const outgoing = join(lab.asterisk.spoolDir, 'outgoing');
  const files = async () => (await readdir(outgoing)).filter((name) => name.endsWith('.call'));
  const turn = await takeTurn(lab);
  try {
    await until(async () => (await files()).length <= FEW, { timeoutMs: DRAINS_MS });
    lab.asterisk.freeze();
    try {
      const begun = new Set(await files());
      const placed = async () => (await files()).filter((name) => !begun.has(name)).length;
      await before();
      await turn.end();
      if (!(await until(async () => (await placed()) >= ENOUGH, { timeoutMs: PLACES_MS })))
        throw new NotReached('campanile placed nothing');
      await meanwhile();
    } finally {
      lab.asterisk.thaw();
    }
  } finally {
    await turn.end();
  }
}

/** A connection that has the turn until it ends: nothing is claimed or finished meanwhile. */
async function takeTurn(lab: ChaosLab): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: lab.postgres.url, application_name: 'chaos turn' });
  await client.connect();
  await client.query('BEGIN');
  await waitForTurn(client as unknown as Tx);
  return client;
}
