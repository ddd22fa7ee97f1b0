import { spawn } from 'node:child_process';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CampanileError } from '../errors.js';
import type { Logger } from '../log.js';
import { type Folder, writeSettings } from './embedded-cluster.js';
import { lockFile } from './embedded-lock.js';
import {
  answers,
  endServer,
  endStrayBackends,
  findServer,
  type RunningServer,
  readLogTail,
  removeStaleFiles,
  urlOf,
} from './embedded-process.js';
import { plainEnvironment } from './embedded-user.js';

/** What is needed to start a server on a folder, again and again. */
export interface Launch {
  folder: Folder;
  bin: string;
  password: string;
  /** A TCP port that the caller insists on; null uses the socket where that is possible. */
  port: number | null;
  settings: Readonly<Record<string, string>>;
  log: Logger;
}

/** Where a server listens: on a socket in `socketDir`, or with that empty on TCP. */
interface Address {
  port: number;
  socketDir: string;
}

/** sun_path holds 108 bytes with the final zero (unix(7)). */
const longestSocketPath = 107;
const pollMilliseconds = 25;
/** How long a server may call itself ready without answering. */
const patienceMilliseconds = 60_000;
/** Five seconds of attempts in all: what is left of a killed server goes within one. */
const mostAttempts = 10;

/**
 * Brings a server up on the folder: adopts the one that runs, else starts one, and resolves when it answers. Only
 * with the folder's start lock held. Recovery after a crash may take its time. Throws with the end of the server's log
 * when there is no way, and when `abort` fires; a server that it started is then gone.
 */
export async function bringUp(launch: Launch, abort: AbortSignal): Promise<RunningServer> {
  const { folder, log } = launch;
  for (let attempt = 1; ; attempt += 1) {
    const from = await sizeOf(folder.log);
    const wasRunning = (await findServer(folder)) !== null;
    const isFree = wasRunning || (await clearAway(folder));
    if (isFree) {
      const spawned = wasRunning ? null : await spawnServer(launch);
      const server = await untilAnswering(launch, spawned, abort).catch(async (error: unknown) => {
        // It may not have got as far as its postmaster.pid, so nobody else could find and stop it.
        if (spawned) await endServer(spawned.pid, async () => spawned.hasEnded, log);
        throw error;
      });
      if (server) return server;
    }
    const tail = await readLogTail(folder.log, from);
    if (isFree && !wasRunning && !mayPass(tail, launch)) throw failure(folder, tail);
    if (attempt === mostAttempts) throw isFree ? failure(folder, tail) : inUse(folder);
    log.info({ attempt_number: attempt }, 'the embedded Postgres did not start yet, trying again');
    await sleep(Math.min(100 * attempt, 1000), undefined, { signal: abort });
  }
}

/**
 * Makes way for a new server where none is to be seen: ends what is left of a killed one and removes its files.
 * False while some process of a server still holds the folder's server lock. One in another container does so
 * unseen, and taking its postmaster.pid for a stale one would let two servers destroy the data.
 */
async function clearAway(folder: Folder): Promise<boolean> {
  const lock = await lockFile(folder.serverLock, 'exclusive', { wait: false });
  if (!lock) {
    await endStrayBackends(folder);
    return false;
  }
  await removeStaleFiles(folder).finally(() => lock.release());
  return true;
}

/** Whether the next attempt may well succeed, by what the server said when it gave up. */
function mayPass(tail: string, { port }: Launch): boolean {
  if (
    /pre-existing shared memory block|lock file "[^"]*" already exists|server lock already held/.test(tail)
  ) {
    return true;
  }
  return port === null && tail.includes('Address already in use');
}

function inUse(folder: Folder): CampanileError {
  const message =
    `cannot start the embedded Postgres in ${folder.data}: another one runs on it that cannot be seen from here, ` +
    'in another container perhaps; stop that one first';
  return new CampanileError('embedded_postgres_failed', message);
}

function failure(folder: Folder, tail: string): CampanileError {
  const message = `cannot start the embedded Postgres in ${folder.data}; the end of ${folder.log}:\n${tail}`;
  return new CampanileError('embedded_postgres_failed', message);
}

/** Waits until the folder's server answers; null when it is gone, or the one that we spawned never came. */
async function untilAnswering(
  { folder, password }: Launch,
  spawned: Spawned | null,
  abort: AbortSignal,
): Promise<RunningServer | null> {
  let readySince = Number.POSITIVE_INFINITY;
  while (Date.now() - readySince < patienceMilliseconds) {
    abort.throwIfAborted();
    // Asked first: a server that ends in between must not be taken for one that has yet to come.
    const isOver = spawned?.hasEnded ?? true;
    const server = await findServer(folder);
    if (!server && isOver) return null;
    if (server?.ready) {
      readySince = Math.min(readySince, Date.now());
      const answer = await answers(urlOf(server, password));
      if (answer === 'yes') return server;
      if (answer instanceof Error) throw refusal(folder, answer);
    }
    await sleep(pollMilliseconds, undefined, { signal: abort });
  }
  throw failure(folder, await readLogTail(folder.log, 0));
}

function refusal(folder: Folder, cause: Error): CampanileError {
  const message =
    `the Postgres that runs in ${folder.data} refuses us: ${cause.message}; ` +
    `the password it was made with belongs into ${folder.password}`;
  return new CampanileError('embedded_postgres_refuses', message, { cause });
}

/** A server process that we started, which may still be on its way to its postmaster.pid. */
interface Spawned {
  pid: number;
  hasEnded: boolean;
}

/** Takes the server lock for the server and all processes it ever forks, which inherit it as file 3. */
const lockAndStart =
  'command -v flock >/dev/null && { flock -n 3 || { echo "server lock already held"; exit 1; }; }; exec "$@"';

/** Starts a server that outlives us. */
async function spawnServer(launch: Launch): Promise<Spawned> {
  const { folder, bin } = launch;
  await writeSettings(folder, launch.settings);
  const { port, socketDir } = await chooseAddress(launch);
  const listen = socketDir ? '' : '127.0.0.1';
  const settings = [`config_file=${folder.settings}`, `listen_addresses=${listen}`].flatMap((one) => [
    '-c',
    one,
  ]);
  const command = [join(bin, 'postgres'), '-D', folder.data, '-p', `${port}`, '-k', socketDir, ...settings];
  const [log, lock] = [await open(folder.log, 'a', 0o600), await open(folder.serverLock, 'a', 0o600)];
  try {
    const child = spawn('/bin/sh', ['-c', lockAndStart, 'sh', ...command], {
      ...(folder.user ?? {}),
      cwd: '/',
      env: plainEnvironment(),
      // A session of its own and a file for its messages: neither Ctrl-C nor our end by kill -9 reaches it.
      detached: true,
      stdio: ['ignore', log.fd, log.fd, lock.fd],
    });
    const spawned = { pid: child.pid ?? 0, hasEnded: false };
    const onEnd = () => {
      spawned.hasEnded = true;
    };
    child.once('error', onEnd).once('exit', onEnd).unref();
    return spawned;
  } finally {
    await log.close();
    await lock.close();
  }
}

/**
 * A Unix socket: a tenth faster than TCP (11.6k against 10.7k queries/s on one connection), no port that another
 * program could hold or, worse, answer on in our place while we are down, and no other user gets as far as the
 * password. TCP on 127.0.0.1 serves where the data directory's path is too long for a socket; its port is kept.
 */
async function chooseAddress({ folder, port }: Launch): Promise<Address> {
  if (port !== null) return { port, socketDir: '' };
  const socket = { port: 5432, socketDir: folder.run };
  if (Buffer.byteLength(join(socket.socketDir, `.s.PGSQL.${socket.port}`)) <= longestSocketPath)
    return socket;
  const kept = Number(await readFile(folder.port, 'utf8').catch(() => '0'));
  const free = kept > 0 ? await freePort(kept).catch(() => freePort(0)) : await freePort(0);
  if (free !== kept) await writeFile(folder.port, `${free}\n`);
  return { port: free, socketDir: '' };
}

/** `port` if nobody listens on it, any free one for 0; rejects when it is taken. */
function freePort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  );
}
