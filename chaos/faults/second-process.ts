import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/lab/ports.js';
import { packageRoot } from '../../src/root.js';
import type { Fault } from '../fault.js';
import type { ChaosLab } from '../lab.js';

const run = promisify(execFile);
const OTHER = 'chaos_other';
const PATIENCE_MS = 60_000;

/** Starts another `campanile serve` on the same spool, and resolves with what it said when it ended by itself. */
async function startSecond(lab: ChaosLab, over: Record<string, string>): Promise<string> {
  const { config } = lab;
  const env = {
    PATH: process.env.PATH ?? '',
    DATABASE_URL: config.databaseUrl!,
    CAMPANILE_DATA: config.dataDir,
    CAMPANILE_LISTEN: `127.0.0.1:${await freePort('tcp')}`,
    CAMPANILE_AGI_LISTEN: `127.0.0.1:${await freePort('tcp')}`,
    CAMPANILE_SPOOL: config.spoolDir,
    CAMPANILE_ASTERISK_RUN: config.asteriskRunDir,
    CAMPANILE_SPOOL_OWNER: `${lab.asterisk.uid}:${lab.asterisk.gid}`,
    CAMPANILE_TEST_MODE: 'off',
    ...over,
  };
  const program = join(packageRoot, 'dist', 'src', 'cli', 'campanile.js');
  try {
    await run(process.execPath, [program, 'serve'], { env, timeout: PATIENCE_MS, killSignal: 'SIGKILL' });
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
  throw new Error('a second campanile ended without an error');
}

async function otherDatabase(lab: ChaosLab): Promise<string> {
  await lab.query(`DROP DATABASE IF EXISTS ${OTHER} WITH (FORCE)`);
  await lab.query(`CREATE DATABASE ${OTHER}`);
  return Object.assign(new URL(lab.config.databaseUrl!), { pathname: `/${OTHER}` }).href;
}

function second(kind: string, says: string, over: (lab: ChaosLab) => Promise<Record<string, string>>): Fault {
  return {
    kind,
    component: 'campanile',
    needs: ['postgres', 'spool'],
    seconds: 15,
    async inject(lab) {
      const said = await startSecond(lab, await over(lab));
      if (!said.includes(says)) throw new Error(`a second campanile did not say "${says}":\n${said}`);
    },
  };
}

/** Two Campanile processes on one spool, by mistake: the second refuses and says why. */
export const secondProcessFaults: readonly Fault[] = [
  second('a second process', 'another campanile process is node', async () => ({})),
  second('a second process of another name', 'another campanile process serves the spool', async () => ({
    CAMPANILE_NODE: 'other',
  })),
  second(
    'a second process with another database',
    'another campanile process serves the spool',
    async (lab) => ({
      DATABASE_URL: await otherDatabase(lab),
    }),
  ),
];
