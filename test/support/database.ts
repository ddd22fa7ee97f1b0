import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { createPool, type Pool } from '../../src/db/pool.js';
import { createLog } from '../../src/log.js';

export interface TestDatabase {
  url: string;
  pool: Pool;
  /** Ends the pool and removes the database, also when somebody is still connected to it. */
  drop(): Promise<void>;
}

/** A database of its own for a test file, cloned from the migrated template in a tenth of a second. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { serverUrl, templateName } = inject('database');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await runOnServer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${templateName}`);
  const url = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  const pool = createPool(url, createLog('silent'), { name });
  return {
    url,
    pool,
    drop: async () => {
      if (!pool.ended) await pool.end();
      await runOnServer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

async function runOnServer(serverUrl: string, statement: string): Promise<void> {
  const server = createPool(serverUrl, createLog('silent'), { max: 1 });
  await server.query(statement).finally(() => server.end());
}
