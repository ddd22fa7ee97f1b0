import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import { findBinaries } from './embedded-binaries.js';
import { createCluster, loadPassword, prepareFolder } from './embedded-cluster.js';
import { type FileLock, lockFile } from './embedded-lock.js';
import { findServer, isServer, limitLog, shutDown, urlOf } from './embedded-process.js';
import { bringUp, type Launch } from './embedded-start.js';
import { findServerUser } from './embedded-user.js';

/** A real Postgres of our own, supervised: it is started again when it dies unasked. */
export interface EmbeddedPostgres {
  /** What clients connect to, as the superuser; stays the same while this object lives. */
  readonly url: string;
  /** The server's process now; another one after it was started again. */
  readonly pid: number;
  /**
   * Ends the supervision and shuts the server down, aborting what its clients are at; resolves when it is gone.
   * While other processes use the server too (a command beside `serve`), it is left to the last of them.
   */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Holds everything that must survive, below `postgres`. */
  dataDir: string;
  /** Where Postgres' programs are copied to when their user cannot run them where they lie. */
  cacheDir: string;
  log: Logger;
  /** Listens on this TCP port of 127.0.0.1 rather than on a Unix socket in the data directory. */
  port?: number;
  /** Server settings that add to or override ours, such as `{ fsync: 'off' }` for tests. */
  settings?: Readonly<Record<string, string>>;
}

/**
 * Starts Postgres 18 on `<dataDir>/postgres`, or adopts the one that runs there since an earlier process of ours was
 * killed or another one uses it. The first start makes the cluster. Root runs it as the user `postgres`.
 *
 * Throws a CampanileError with what to do about it: `directory_unreachable`, `embedded_postgres_missing` (no programs
 * for this platform), `embedded_postgres_refuses` (the password is not the cluster's) or `embedded_postgres_failed`
 * (with the end of the server's log).
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { dataDir, cacheDir, log } = options;
  const user = await findServerUser();
  const folder = await prepareFolder(dataDir, user);
  const start = await lockFile(folder.startLock, 'exclusive', { wait: true });
  let use: FileLock | null = null;
  try {
    use = await lockFile(folder.usersLock, 'shared', { wait: true });
    const bin = await findBinaries(cacheDir, user, log);
    const password = await loadPassword(folder);
    await createCluster(folder, bin, password, log);
    await limitLog(folder.log);
    const launch = {
      folder,
      bin,
      password,
      port: options.port ?? null,
      settings: options.settings ?? {},
      log,
    };
    const adopted = await findServer(folder);
    const server = await bringUp(launch, new AbortController().signal);
    log.info({ pid: server.pid, adopted: server.pid === adopted?.pid }, 'the embedded Postgres is running');
    // It would come back elsewhere otherwise, and nobody would know.
    const same = { ...launch, port: server.socketDir ? null : server.port };
    return new SupervisedPostgres(same, urlOf(server, password), server.pid, use!);
  } catch (error) {
    await use?.release();
    throw error;
  } finally {
    await start?.release();
  }
}

const watchMilliseconds = 200;
const firstBackoff = 250;
const longestBackoff = 10_000;
/** A server that ran this long has not failed for the reason it failed for before. */
const steadyMilliseconds = 60_000;
const logCheckMilliseconds = 60_000;

class SupervisedPostgres implements EmbeddedPostgres {
  pid: number;
  readonly url: string;
  readonly #launch: Launch;
  readonly #use: FileLock;
  readonly #abort = new AbortController();
  readonly #supervision: Promise<void>;
  #stopping: Promise<void> | null = null;

  constructor(launch: Launch, url: string, pid: number, use: FileLock) {
    this.#launch = launch;
    this.url = url;
    this.pid = pid;
    this.#use = use;
    this.#supervision = this.#supervise();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    await this.#supervision;
    const { folder, log } = this.#launch;
    const start = await lockFile(folder.startLock, 'exclusive', { wait: true });
    try {
      await this.#use.release();
      const alone = await lockFile(folder.usersLock, 'exclusive', { wait: false });
      if (alone) await shutDown(folder, log);
      else log.info('the embedded Postgres stays up for another process that uses it');
      await alone?.release();
    } finally {
      await start?.release();
    }
  }

  /** Watches the process rather than an exit event: a server that we adopted is not our child. */
  async #supervise(): Promise<void> {
    const { folder, log } = this.#launch;
    let backoff = 0;
    let since = Date.now();
    let logChecked = since;
    while (await this.#pause(watchMilliseconds)) {
      if (Date.now() - logChecked > logCheckMilliseconds) {
        logChecked = Date.now();
        await limitLog(folder.log).catch((error) =>
          log.warn({ err: error }, 'cannot cut the log of Postgres'),
        );
      }
      if (await isServer(this.pid, folder)) continue;
      if (Date.now() - since > steadyMilliseconds) backoff = 0;
      log.error({ pid: this.pid, backoff }, 'the embedded Postgres died, starting it again');
      if (!(await this.#pause(backoff))) return;
      backoff = Math.min(Math.max(backoff * 2, firstBackoff), longestBackoff);
      await this.#restart();
      since = Date.now();
    }
  }

  async #restart(): Promise<void> {
    const { folder, log } = this.#launch;
    let start: FileLock | null = null;
    try {
      start = await lockFile(folder.startLock, 'exclusive', { wait: true });
      const server = await bringUp(this.#launch, this.#abort.signal);
      this.pid = server.pid;
      log.warn({ pid: server.pid }, 'the embedded Postgres is running again');
    } catch (error) {
      if (!this.#abort.signal.aborted)
        log.error({ err: error }, 'the embedded Postgres could not be started again');
    } finally {
      await start?.release();
    }
  }

  /** Waits; false when we are to stop. Does not keep the process alive. */
  async #pause(milliseconds: number): Promise<boolean> {
    const { signal: abort } = this.#abort;
    await sleep(milliseconds, undefined, { signal: abort, ref: false }).catch(() => {});
    return !abort.aborted;
  }
}
