import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { packageRoot } from '../root.js';
import type { Db } from './pool.js';

/** Where the numbered .sql files lie: beside the sources also when compiled, because tsc copies no SQL. */
export const migrationsDirectory = join(packageRoot, 'src', 'db', 'migrations');

const table = 'migrations';
/** SQLSTATE of a lock_timeout. */
const lockNotAvailable = '55P03';
const fileName = /^(\d{4}_[a-z0-9_]+)\.sql$/;

/**
 * Brings the database at `url` up to the code's migrations, each in a transaction of its own, and returns the names
 * of those it ran. Any number of processes may do so at once: one works, the others wait for it. `waitSeconds` (60)
 * bounds that, and the wait for a table that is in use. `directory` is where the numbered .sql files lie.
 *
 * Throws `database_newer` when the database has migrations this code does not know, `migrations_busy` when the lock
 * stays taken, and `migration_failed` with the file and line otherwise; that migration is then rolled back whole.
 */
export async function migrate(
  url: string,
  log: Logger,
  options: { directory?: string; waitSeconds?: number } = {},
): Promise<string[]> {
  const { directory = migrationsDirectory, waitSeconds = 60 } = options;
  const names = await listMigrations(directory);
  const client = new pg.Client({
    connectionString: url,
    application_name: 'campanile migrate',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  client.on('error', (error) => log.warn({ err: error }, 'the migrating connection broke'));
  await client.connect();
  try {
    await takeLock(client, waitSeconds);
    refuseUnknown(await findApplied(client), names);
    return await runPending(client, directory, log);
  } finally {
    // Ends the session, and with it the lock and whatever a failed migration left open.
    await client.end().catch(() => {});
  }
}

/**
 * The migrations of this code that the database does not have: it was restored from an older copy while we run. Those that a
 * newer version made meanwhile are no fault.
 */
export async function findMissingMigrations(db: Db): Promise<string[]> {
  const [names, applied] = await Promise.all([listMigrations(migrationsDirectory), findApplied(db)]);
  return names.filter((name) => !applied.includes(name));
}

/** The migrations in `directory`, in order, without `.sql`. */
async function listMigrations(directory: string): Promise<string[]> {
  const files = await readdir(directory).catch((cause: unknown) => {
    throw new CampanileError('migrations_missing', `cannot read the migrations: ${messageOf(cause)}`, {
      cause,
    });
  });
  const names = files.flatMap((file) => fileName.exec(file)?.[1] ?? []).sort();
  const twice = names.find((name, index) => name.slice(0, 4) === names[index - 1]?.slice(0, 4));
  if (twice) throw new CampanileError('migration_failed', `two migrations are numbered ${twice.slice(0, 4)}`);
  return names;
}

/** One lock for every installer, held by the session. node-pg-migrate's own gives up at once when it is taken. */
async function takeLock(client: pg.Client, waitSeconds: number): Promise<void> {
  const { PG_MIGRATE_LOCK_ID } = await import('node-pg-migrate');
  await client.query(`SET lock_timeout = ${Math.ceil(waitSeconds * 1000)}`);
  try {
    await client.query('SELECT pg_advisory_lock($1)', [PG_MIGRATE_LOCK_ID]);
  } catch (cause) {
    if ((cause as { code?: string }).code !== lockNotAvailable) throw cause;
    const message = `another process has been migrating the database for ${waitSeconds} s: wait for it, or end it`;
    throw new CampanileError('migrations_busy', message, { cause });
  }
}

async function findApplied(client: Db): Promise<string[]> {
  const { rows } = await client.query<{ found: string | null }>('SELECT to_regclass($1) AS found', [
    `public.${table}`,
  ]);
  if (!rows[0]?.found) return [];
  const applied = await client.query<{ name: string }>(`SELECT name FROM public.${table} ORDER BY name`);
  return applied.rows.map((row) => row.name);
}

function refuseUnknown(applied: readonly string[], names: readonly string[]): void {
  const unknown = applied.filter((name) => !names.includes(name));
  if (unknown.length === 0) return;
  const newest = names.at(-1) ?? 'none';
  throw new CampanileError(
    'database_newer',
    `the database has migrations this version of campanile does not know (${unknown.join(', ')}; its newest is ` +
      `${newest}): install the version that made them, or a newer one`,
  );
}

async function runPending(client: pg.Client, directory: string, log: Logger): Promise<string[]> {
  // Loaded only here: it brings a loader of TypeScript migrations along that a running server never needs.
  const { runner } = await import('node-pg-migrate');
  const debug = (message: string) => log.debug(message);
  try {
    const done = await runner({
      dbClient: client,
      dir: directory,
      // A read-me or an editor's leftover in the folder would otherwise be run as code.
      ignorePattern: `(?!${fileName.source.slice(1, -1)}$).*`,
      direction: 'up',
      migrationsTable: table,
      schema: 'public',
      singleTransaction: false,
      noLock: true,
      logger: { debug, info: debug, warn: debug, error: debug },
    });
    const names = done.map((migration) => migration.name);
    if (names.length > 0) log.info({ migrations: names }, 'migrated the database');
    return names;
  } catch (cause) {
    throw await describeFailure(client, directory, cause);
  }
}

/** Names the migration that failed, the first that has no record, and the line Postgres pointed at. */
async function describeFailure(
  client: pg.Client,
  directory: string,
  cause: unknown,
): Promise<CampanileError> {
  const applied = await client
    .query('ROLLBACK')
    .then(() => findApplied(client))
    .catch(() => null);
  const failed = applied && (await listMigrations(directory)).find((name) => !applied.includes(name));
  if (!failed)
    return new CampanileError('migration_failed', `cannot migrate: ${messageOf(cause)}`, { cause });
  const position = cause instanceof pg.DatabaseError ? Number(cause.position) : Number.NaN;
  const text = await readFile(join(directory, `${failed}.sql`), 'utf8');
  const line = position > 0 ? ` at line ${text.slice(0, position).split('\n').length}` : '';
  const message = `cannot run migration ${failed}${line}: ${messageOf(cause)}`;
  return new CampanileError('migration_failed', message, { cause });
}
