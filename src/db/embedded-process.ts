import { copyFile, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { CampanileError } from '../errors.js';
import type { Logger } from '../log.js';
import { databaseName, type Folder } from './embedded-cluster.js';

/** A server that runs on our cluster, from its postmaster.pid. */
export interface RunningServer {
  pid: number;
  port: number;
  /** The directory of its socket, empty when it listens on TCP only. */
  socketDir: string;
  /** Whether it says that it takes connections. */
  ready: boolean;
}

/**
 * The server that runs on the folder's cluster, or null. postmaster.pid outlives a killed server, and its number may
 * by now be another process's or a zombie's: so the process is looked at, too.
 *
 * The file's lines are pid, data directory, start time, port, socket directory, address, shared memory, status
 * (PostgreSQL: src/include/utils/pidfile.h).
 */
export async function findServer(folder: Folder): Promise<RunningServer | null> {
  const text = await readFile(pidFile(folder), 'utf8').catch(() => '');
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!(pid > 1) || !(await isServer(pid, folder))) return null;
  return { pid, port: Number(lines[3] ?? 0), socketDir: lines[4] ?? '', ready: lines[7] === 'ready' };
}

function pidFile(folder: Folder): string {
  return join(folder.data, 'postmaster.pid');
}

/** Whether `pid` is a live server on this folder's cluster, and not a zombie or a stranger with its old number. */
export async function isServer(pid: number, folder: Folder): Promise<boolean> {
  if (process.platform !== 'linux') return isAlive(pid);
  // Not /proc/<pid>/cwd or exe: in a container without CAP_SYS_PTRACE not even root may read another user's.
  const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return args.includes(folder.data) && args.includes('-D');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Removes the postmaster.pid and the socket of a server that is no more. Postgres does so itself unless another
 * process of the same user has got the old number, as happens in containers; then it would refuse to start until
 * somebody removes them. Only with the folder's start lock held.
 */
export async function removeStaleFiles(folder: Folder): Promise<void> {
  if (process.platform !== 'linux' || (await findServer(folder))) return;
  await rm(pidFile(folder), { force: true });
  for (const name of await readdir(folder.run)) await rm(join(folder.run, name), { force: true });
}

/**
 * Ends backends that outlived their killed server: a busy one notices only when its statement is done, and until
 * then its shared memory keeps a new server from starting. They call themselves `postgres: <cluster_name>: ...`.
 */
export async function endStrayBackends(folder: Folder): Promise<number> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const strays: number[] = [];
  for (const pid of pids) {
    const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (title.startsWith(`postgres: ${folder.clusterName}: `)) strays.push(Number(pid));
  }
  for (const pid of strays) signal(pid, 'SIGKILL');
  return strays.length;
}

/** Sends a signal; false when there is no such process any more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Shuts the folder's server down, if there is one, and waits until it is gone. */
export async function shutDown(folder: Folder, log: Logger): Promise<void> {
  const server = await findServer(folder);
  if (server) await endServer(server.pid, async () => !(await isServer(server.pid, folder)), log);
}

const fastShutdownMilliseconds = 60_000;

/**
 * Ends the server process `pid` and waits until `isGone`. Fast shutdown; an immediate one, which costs the next start
 * a recovery but loses nothing, when that takes long.
 */
export async function endServer(pid: number, isGone: () => Promise<boolean>, log: Logger): Promise<void> {
  for (const name of ['SIGINT', 'SIGQUIT'] as const) {
    if (pid > 1) signal(pid, name);
    const deadline = Date.now() + fastShutdownMilliseconds;
    while (Date.now() < deadline) {
      if (await isGone()) return;
      await sleep(10);
    }
    log.warn({ pid, signal: name }, 'the embedded Postgres takes too long to stop');
  }
  throw new CampanileError(
    'embedded_postgres_failed',
    `the embedded Postgres (process ${pid}) does not stop`,
  );
}

/** What a client connects to. A socket's directory stands in the place of the host, percent-encoded. */
export function urlOf(server: { port: number; socketDir: string }, password: string): string {
  const host = server.socketDir ? encodeURIComponent(server.socketDir) : '127.0.0.1';
  return `postgres://${databaseName}:${password}@${host}:${server.port}/${databaseName}`;
}

/** Too many connections, also in what is reserved for superusers: it works, only not for us now. */
const tooManyConnections = '53300';
const refusesForGood = new Set(['28P01', '28000', '3D000']);

/** `yes` when the server answers, `not yet` when it starts, stops or is gone, else why it never will. */
export async function answers(url: string): Promise<'yes' | 'not yet' | Error> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000, query_timeout: 5000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return 'yes';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === tooManyConnections) return 'yes';
    return code !== undefined && refusesForGood.has(code) ? (error as Error) : 'not yet';
  } finally {
    await client.end().catch(() => {});
  }
}

const tailBytes = 4096;

/** The end of the server's log from byte `from` on, at most 20 lines. */
export async function readLogTail(file: string, from: number): Promise<string> {
  const handle = await open(file).catch(() => null);
  if (!handle) return '';
  try {
    const { size } = await handle.stat();
    const start = Math.max(from > size ? 0 : from, size - tailBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(tailBytes), 0, tailBytes, start);
    return buffer.toString('utf8', 0, bytesRead).trim().split('\n').slice(-20).join('\n');
  } finally {
    await handle.close();
  }
}

const longestLog = 16 * 1024 * 1024;

/** Keeps the log and one older one, 16 MiB each. The server appends, so a file cut under its hands stays good. */
export async function limitLog(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size < longestLog) return;
  await copyFile(file, `${file}.1`);
  await truncate(file);
}
