import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { requireReachable, run, type ServerUser } from './embedded-user.js';

/** What lies where below `<dataDir>/postgres`. We own the folder; `data` and `run` belong to the server's user. */
export interface Folder {
  root: string;
  /** The cluster (PGDATA). */
  data: string;
  /** The server's Unix socket, in a directory that nobody else can enter. */
  run: string;
  /** The superuser's password, one line, mode 0600. */
  password: string;
  settings: string;
  access: string;
  log: string;
  /** The TCP port, where a socket cannot be used. */
  port: string;
  /** Locked while a server is started or stopped. */
  startLock: string;
  /** Locked by the server's processes themselves, for as long as one of them lives. */
  serverLock: string;
  /** Locked, shared, by each process that uses the server. */
  usersLock: string;
  /** How the server's processes call themselves in `ps`; distinct for each folder. */
  clusterName: string;
  user: ServerUser | null;
}

/** The name of the database and of its superuser. */
export const databaseName = 'campanile';
const majorVersion = '18';

/** Makes the folder with its owners and modes; throws when `user` cannot reach it. */
export async function prepareFolder(dataDir: string, user: ServerUser | null): Promise<Folder> {
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  // One name for it, whichever way one came: the server is recognised by the path in its arguments.
  const root = join(await realpath(dataDir), 'postgres');
  const at = (name: string) => join(root, name);
  await requireReachable(dataDir, user, 'CAMPANILE_DATA');
  await mkdir(root, { recursive: true });
  if (user) await chown(root, 0, user.gid);
  // Root writes here, so the server's user may not: it could put a link in place of a file that we write.
  await chmod(root, user ? 0o750 : 0o700);
  await makeOwned(at('run'), user);
  return {
    root,
    data: at('data'),
    run: at('run'),
    password: at('password'),
    settings: at('postgresql.conf'),
    access: at('pg_hba.conf'),
    log: at('server.log'),
    port: at('port'),
    startLock: at('start.lock'),
    serverLock: at('server.lock'),
    usersLock: at('users.lock'),
    clusterName: `campanile-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`,
    user,
  };
}

async function makeOwned(directory: string, user: ServerUser | null): Promise<void> {
  await mkdir(directory, { recursive: true });
  if (user) await chown(directory, user.uid, user.gid);
  await chmod(directory, 0o700);
}

/** The superuser's password, made at random the first time. */
export async function loadPassword(folder: Folder): Promise<string> {
  const draft = `${folder.password}.${randomBytes(6).toString('hex')}`;
  const known = await readFile(folder.password, 'utf8').catch(() => null);
  if (known?.trim()) return known.trim();
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(32).toString('base64url')}\n`);
    await handle.sync();
    await link(draft, folder.password).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await handle.close();
    await unlink(draft);
  }
  return (await readFile(folder.password, 'utf8')).trim();
}

/**
 * Makes the cluster with its database and password unless it is there. It is made whole beside its place and then
 * renamed into it, so that one which a crash interrupted is never taken for a good one.
 */
export async function createCluster(
  folder: Folder,
  bin: string,
  password: string,
  log: Logger,
): Promise<void> {
  if (await hasCluster(folder)) return;
  for (const name of await readdir(folder.root)) {
    if (name.startsWith('draft-')) await removeDraft(join(folder.root, name));
  }
  const draft = join(folder.root, `draft-${randomBytes(6).toString('hex')}`);
  try {
    await makeOwned(draft, folder.user);
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    // Nobody connects before `settings` and `access` are in force, so how initdb would let them in does not matter.
    const access = [`--username=${databaseName}`, '--auth=reject', '--no-instructions'];
    await run(join(bin, 'initdb'), ['-D', draft, ...locale, ...access], { user: folder.user });
    // Through stdin, since arguments can be read by every user of the machine.
    const statements = `ALTER ROLE ${databaseName} PASSWORD '${password}';\nCREATE DATABASE ${databaseName};\n`;
    const single = [
      '--single',
      '-D',
      draft,
      '-c',
      'exit_on_error=on',
      '-c',
      'log_min_messages=fatal',
      'postgres',
    ];
    await run(join(bin, 'postgres'), single, { user: folder.user, input: statements });
    await rename(draft, folder.data);
    await syncDirectory(folder.root);
  } catch (cause) {
    await removeDraft(draft);
    const message = `cannot create the embedded Postgres in ${folder.data}: ${messageOf(cause)}`;
    throw new CampanileError('embedded_postgres_failed', message, { cause });
  }
  log.info({ directory: folder.data }, 'created the embedded Postgres');
}

/** Tries for a second, since the initdb of a starter that was killed may still be writing there. */
async function removeDraft(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 4, retryDelay: 100 });
}

/** Whether the cluster is there; throws when what is there cannot be used, with what to do about it. */
async function hasCluster({ data, user }: Folder): Promise<boolean> {
  const found = await lstat(data).catch(() => null);
  if (!found) return false;
  const version = (await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => '')).trim();
  if (version !== majorVersion) {
    const what = version
      ? `a cluster of PostgreSQL ${version}, and this is ${majorVersion}`
      : 'no Postgres cluster';
    const message = `cannot use ${data}: it holds ${what}; move it away, or load its dump into a new one`;
    throw new CampanileError('embedded_postgres_failed', message);
  }
  const uid = user?.uid ?? process.getuid?.() ?? found.uid;
  if (found.uid !== uid && !user) {
    const message = `cannot use ${data}: it belongs to user ${found.uid}; give it back with "chown -R ${uid} ${data}"`;
    throw new CampanileError('embedded_postgres_failed', message);
  }
  // A backup that root restored, or another image in which `postgres` has another number.
  if (user && found.uid !== uid) await run('chown', ['-R', `${user.uid}:${user.gid}`, data]);
  return true;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory);
  await handle.sync().finally(() => handle.close());
}

/** Memory for a machine that Asterisk shares, an SSD, and many small transactions that must not be lost. */
const standardSettings: Readonly<Record<string, string>> = {
  max_connections: '100',
  shared_buffers: '192MB',
  effective_cache_size: '1GB',
  work_mem: '8MB',
  maintenance_work_mem: '64MB',
  random_page_cost: '1.1',
  jit: 'off',
  synchronous_commit: 'on',
  wal_compression: 'on',
  wal_level: 'replica',
  min_wal_size: '128MB',
  max_wal_size: '1GB',
  checkpoint_timeout: '15min',
  checkpoint_completion_target: '0.9',
  // Attempts and contacts are updated all the time: without this their dead rows wait for a fifth of the table.
  autovacuum_vacuum_scale_factor: '0.05',
  autovacuum_naptime: '20s',
  log_checkpoints: 'off',
  // Without DETAIL, which has the rows of people in it.
  log_error_verbosity: 'terse',
  log_line_prefix: '%m [%p] %q%u@%d ',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** Writes the server's configuration anew; what an admin puts into `local.conf` beside it comes later and wins. */
export async function writeSettings(folder: Folder, extra: Readonly<Record<string, string>>): Promise<void> {
  const settings = {
    ...standardSettings,
    password_encryption: 'scram-sha-256',
    unix_socket_permissions: '0700',
    cluster_name: folder.clusterName,
    hba_file: folder.access,
    ...extra,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = '${value.replaceAll("'", "''")}'`);
  const head = '# Campanile writes this file at each start: put what you change into local.conf beside it.';
  await writeFile(folder.settings, `${[head, ...lines, "include_if_exists 'local.conf'"].join('\n')}\n`);
  await writeFile(folder.access, 'local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n');
  await chmod(folder.settings, 0o644);
  await chmod(folder.access, 0o644);
}
