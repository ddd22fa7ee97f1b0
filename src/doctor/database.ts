import { readdir } from 'node:fs/promises';
import pg from 'pg';
import type { Config } from '../config.js';
import { startEmbeddedPostgres } from '../db/embedded.js';
import { migrationsDirectory } from '../db/migrate.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type Finding, failed, ok, skipped } from './finding.js';

/** What was found out about the database. */
export interface DatabaseState {
  findings: Finding[];
  /** Whether a Campanile says that it is this node and alive; null when the database cannot tell. */
  serveRuns: boolean | null;
}

const OLDEST = 14;
/** `campanile serve` says every 10 s that its node is alive. */
const ALIVE_SECONDS = 30;

/**
 * Whether the database can be used and has our tables. The embedded one is started for that unless it runs, and left as
 * it was found.
 */
export async function checkDatabase(config: Config, log: Logger): Promise<DatabaseState> {
  if (config.databaseUrl !== null) return checkServer(config.databaseUrl, 'of DATABASE_URL', config.nodeName);
  try {
    const { dataDir, cacheDir } = config;
    const server = await startEmbeddedPostgres({ dataDir, cacheDir, log });
    try {
      return await checkServer(server.url, `embedded, in ${dataDir}`, config.nodeName);
    } finally {
      await server.stop();
    }
  } catch (error) {
    // Its messages say what to do.
    return unusable(
      `the embedded PostgreSQL cannot be started: ${messageOf(error)}`,
      'or name a PostgreSQL of yours in DATABASE_URL',
    );
  }
}

function unusable(detail: string, ...remedy: string[]): DatabaseState {
  const findings = [
    failed('database', detail, ...remedy),
    skipped('migrations', 'there is no database to look at'),
  ];
  return { findings, serveRuns: null };
}

async function checkServer(url: string, which: string, nodeName: string): Promise<DatabaseState> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'campanile doctor',
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    const version = rows[0]!.server_version;
    if (Number.parseInt(version, 10) < OLDEST) {
      return unusable(
        `PostgreSQL ${version} ${which} is too old`,
        `upgrade it to ${OLDEST} or newer, or leave DATABASE_URL out to use the embedded one`,
      );
    }
    const migrations = await checkMigrations(client);
    const serveRuns = migrations.applied > 0 ? await isNodeAlive(client, nodeName) : false;
    return { findings: [ok('database', `PostgreSQL ${version} (${which})`), migrations.finding], serveRuns };
  } catch (error) {
    return unusable(`PostgreSQL ${which} cannot be used: ${messageOf(error)}`, ...cureOf(error));
  } finally {
    await client.end().catch(() => {});
  }
}

/** By SQLSTATE (PostgreSQL, appendix A) and the system's codes. */
function cureOf(error: unknown): string[] {
  const code = String((error as { code?: string }).code);
  const cures: Record<string, string> = {
    ECONNREFUSED: 'start it: systemctl start postgresql; or correct host and port in DATABASE_URL',
    ENOTFOUND: 'correct the host name in DATABASE_URL',
    EAI_AGAIN: 'let the name server answer, or give an address in DATABASE_URL: getent hosts <the host>',
    '28P01': 'correct user and password in DATABASE_URL',
    '28000': 'correct the user in DATABASE_URL, or allow it in pg_hba.conf',
    '3D000': 'create it: createdb <the name in DATABASE_URL>',
  };
  return [cures[code] ?? 'see what it says: psql "$DATABASE_URL" -c "SELECT version()"'];
}

async function checkMigrations(client: pg.Client): Promise<{ finding: Finding; applied: number }> {
  const known = (await readdir(migrationsDirectory)).flatMap(
    (file) => /^(\d{4}_\w+)\.sql$/.exec(file)?.[1] ?? [],
  );
  const { rows: found } = await client.query("SELECT to_regclass('public.migrations') AS found");
  const { rows } = found[0]?.found
    ? await client.query<{ name: string }>('SELECT name FROM public.migrations')
    : { rows: [] };
  const applied = new Set(rows.map(({ name }) => name));
  const pending = known.filter((name) => !applied.has(name));
  const unknown = [...applied].filter((name) => !known.includes(name));
  const finding = (): Finding => {
    if (unknown.length > 0) {
      const which = unknown.join(', ');
      return failed(
        'migrations',
        `a newer campanile made ${which}, which this one does not know`,
        'install the newest version',
      );
    }
    return ok(
      'migrations',
      pending.length === 0
        ? `all ${known.length} are applied`
        : `${pending.length} of ${known.length} are not applied yet: "campanile serve" does so when it starts`,
    );
  };
  return {
    finding: pending.length > 0 ? ((await mayCreate(client)) ?? finding()) : finding(),
    applied: applied.size,
  };
}

/** What is wrong when migrations are pending and the user may not make tables; null when all is well. */
async function mayCreate(client: pg.Client): Promise<Finding | null> {
  const { rows } = await client.query<{ who: string; may: boolean }>(
    "SELECT quote_ident(current_user) AS who, has_schema_privilege('public', 'CREATE') AS may",
  );
  const { who, may } = rows[0]!;
  if (may) return null;
  const grant = `psql -c 'GRANT CREATE ON SCHEMA public TO ${who}', as the owner of the database`;
  return failed('migrations', `they are pending, and the user ${who} may not make tables`, grant);
}

async function isNodeAlive(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query<{ alive: boolean }>(
    'SELECT EXISTS (SELECT FROM nodes WHERE name = $1 AND seen_at > now() - make_interval(secs => $2)) AS alive',
    [name, ALIVE_SECONDS],
  );
  return rows[0]!.alive;
}
