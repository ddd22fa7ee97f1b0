import type { Config } from '../config.js';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { startEmbeddedPostgres } from './embedded.js';
import { migrate } from './migrate.js';

/** The database in use: its URL, and how to be done with it. */
export interface Database {
  url: string;
  /** Stops the embedded server; leaves one that DATABASE_URL names alone. */
  stop(): Promise<void>;
}

/**
 * Opens the database that the configuration names, else the embedded one, and brings its tables up to date. Throws a
 * CampanileError (`database_unusable`) that says what to do.
 */
export async function openDatabase(config: Config, log: Logger): Promise<Database> {
  const database = config.databaseUrl
    ? { url: config.databaseUrl, stop: async () => {} }
    : await startEmbeddedPostgres({ dataDir: config.dataDir, cacheDir: config.cacheDir, log });
  try {
    const applied = await migrate(database.url, log);
    if (applied.length > 0) log.info({ migrations: applied }, 'the database is up to date');
    return database;
  } catch (error) {
    await database.stop();
    if (error instanceof CampanileError) throw error;
    throw new CampanileError(
      'database_unusable',
      `cannot use the database: ${messageOf(error)}; run "campanile doctor", which says what to do`,
      { cause: error },
    );
  }
}
