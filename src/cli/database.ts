import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Config } from '../config.js';
import { startEmbeddedPostgres } from '../db/embedded.js';
import type { Db } from '../db/pool.js';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';

const PATIENCE_MS = 10_000;
/** SQLSTATEs of a table or column that is not there. */
const OLD_TABLES = ['42P01', '42703'];

/**
 * Runs `work` on a connection of its own that only reads, and sees all tables as they are at one moment. The embedded database is
 * started for that unless it runs, and left as it was found; it is not made. Throws a CampanileError that says what to do.
 */
export async function readDatabase<T>(config: Config, log: Logger, work: (db: Db) => Promise<T>): Promise<T> {
  if (config.databaseUrl !== null) return readServer(config.databaseUrl, work);
  const { dataDir, cacheDir } = config;
  if (!existsSync(join(dataDir, 'postgres', 'data'))) {
    throw new CampanileError(
      'no_database',
      `there is no database in ${dataDir}: run this with the environment that "campanile serve" has (CAMPANILE_DATA, or DATABASE_URL)`,
    );
  }
  const server = await startEmbeddedPostgres({ dataDir, cacheDir, log });
  try {
    return await readServer(server.url, work);
  } finally {
    await server.stop();
  }
}

async function readServer<T>(url: string, work: (db: Db) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'campanile command',
    connectionTimeoutMillis: PATIENCE_MS,
    statement_timeout: PATIENCE_MS,
    query_timeout: PATIENCE_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    return await work(client as unknown as Db);
  } catch (cause) {
    if (cause instanceof CampanileError) throw cause;
    const code = String((cause as { code?: unknown }).code);
    const remedy = OLD_TABLES.includes(code)
      ? 'it has not the tables of this version, which "campanile serve" makes when it starts'
      : 'run "campanile doctor", which says what to do';
    throw new CampanileError(
      'database_unreadable',
      `cannot read the database: ${messageOf(cause)}; ${remedy}`,
      { cause },
    );
  } finally {
    await client.end().catch(() => {});
  }
}
