import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { loadConfig } from '../src/config.js';
import { startEmbeddedPostgres } from '../src/db/embedded.js';
import { signal } from '../src/db/embedded-process.js';
import { migrate } from '../src/db/migrate.js';
import { createPool } from '../src/db/pool.js';
import { createLog } from '../src/log.js';

declare module 'vitest' {
  export interface ProvidedContext {
    database: { serverUrl: string; templateName: string };
  }
}

const log = createLog('warn');
const prefix = 'campanile-test-';
const templateName = 'campanile_template';

/** Nobody misses these databases after a power cut, so nothing waits for the disk. */
const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' };

/** One Postgres for the whole run, with a migrated template that `createTestDatabase` clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweepKilledRuns();
  // Each vitest project sets up on its own: those of one run share a server, which the last to stop ends.
  const dataDir = join(tmpdir(), `${prefix}${process.pid}`);
  const server = await startEmbeddedPostgres({ dataDir, cacheDir: loadConfig({}).cacheDir, log, settings });
  const teardown = async () => {
    await server.stop();
    if (!existsSync(join(dataDir, 'postgres', 'data', 'postmaster.pid')))
      await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await makeTemplate(server.url);
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide('database', { serverUrl: server.url, templateName });
  return teardown;
}

async function makeTemplate(serverUrl: string): Promise<void> {
  const server = createPool(serverUrl, log, { max: 1 });
  try {
    const { rowCount } = await server.query('SELECT FROM pg_database WHERE datname = $1', [templateName]);
    if (rowCount) return;
    const draft = `${templateName}_draft`;
    await server.query(`CREATE DATABASE ${draft}`);
    await migrate(Object.assign(new URL(serverUrl), { pathname: `/${draft}` }).href, log);
    // A connection to a template would keep it from being cloned.
    await server.query(`ALTER DATABASE ${draft} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`);
    await server.query(`ALTER DATABASE ${draft} RENAME TO ${templateName}`);
  } finally {
    await server.end();
  }
}

/** Ends the servers and removes the directories of runs that were killed before their teardown. */
async function sweepKilledRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const run = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
    if (!(run > 0) || existsSync(`/proc/${run}`)) continue;
    const directory = join(tmpdir(), name);
    const pid = Number(
      (await readFile(join(directory, 'postgres/data/postmaster.pid'), 'utf8').catch(() => '')).split(
        '\n',
      )[0],
    );
    const args = pid > 0 ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
    if (args.includes(directory)) signal(pid, 'SIGQUIT');
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  }
}
