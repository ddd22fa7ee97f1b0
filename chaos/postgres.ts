import { readdir, readFile } from 'node:fs/promises';
import { findBinaries } from '../src/db/embedded-binaries.js';
import { createCluster, loadPassword, prepareFolder } from '../src/db/embedded-cluster.js';
import { isServer, shutDown, signal, urlOf } from '../src/db/embedded-process.js';
import { bringUp } from '../src/db/embedded-start.js';
import { findServerUser } from '../src/db/embedded-user.js';
import { until } from '../src/lab/condition.js';
import { createLog } from '../src/log.js';

/** A Postgres of the lab's own: nobody starts it again but the lab. fsync is on. */
export interface LabPostgres {
  /** SIGKILL to all of its processes; resolves when they are gone. */
  kill(): Promise<void>;
  /** SIGSTOP to all of its processes: they keep their connections and say nothing. */
  freeze(): Promise<void>;
  /** SIGCONT to all of them. */
  thaw(): Promise<void>;
  /** An orderly stop, after which the data directory can be copied or put back. */
  stop(): Promise<void>;
  /** Starts it on the same directory and port, and resolves when it answers. */
  start(): Promise<void>;
  readonly running: boolean;
  /** PGDATA. It belongs to the user `postgres` where root runs the lab. */
  readonly dataDir: string;
  readonly url: string;
}

/** Makes a cluster of the embedded Postgres' programs below `dir` and starts it on TCP port `port` of 127.0.0.1. */
export async function startLabPostgres(dir: string, cacheDir: string, port: number): Promise<LabPostgres> {
  const log = createLog('error');
  const user = await findServerUser();
  const folder = await prepareFolder(dir, user);
  const bin = await findBinaries(cacheDir, user, log);
  const password = await loadPassword(folder);
  await createCluster(folder, bin, password, log);
  const launch = { folder, bin, password, port, settings: {}, log };
  let pid: number | null = null;

  async function start(): Promise<void> {
    pid = (await bringUp(launch, new AbortController().signal)).pid;
  }

  async function signalAll(name: NodeJS.Signals): Promise<void> {
    if (pid === null) return;
    // The postmaster first, or it would end the others in order, or start more.
    signal(pid, name);
    for (const one of await childrenOf(pid)) signal(one, name);
  }

  await start();
  return {
    start,
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    async kill() {
      const postmaster = pid;
      if (postmaster === null) return;
      const children = await childrenOf(postmaster);
      pid = null;
      for (const one of [postmaster, ...children]) signal(one, 'SIGKILL');
      await until(async () => !(await isServer(postmaster, folder)), { timeoutMs: 10_000 });
    },
    async stop() {
      pid = null;
      await shutDown(folder, log);
    },
    get running() {
      return pid !== null;
    },
    dataDir: folder.data,
    url: urlOf({ port, socketDir: '' }, password),
  };
}

async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // Behind the name in parentheses: state and parent (proc_pid_stat(5)).
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid) children.push(Number(name));
  }
  return children;
}
