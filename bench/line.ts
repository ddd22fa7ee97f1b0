import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../src/config.js';
import { openDatabase } from '../src/db/database.js';
import { createPool, type Pool } from '../src/db/pool.js';
import { type AsteriskInstance, startAsterisk } from '../src/lab/asterisk.js';
import { type FarEnd, startFarEnd } from '../src/lab/far-end.js';
import { ensureAsterisk, type Image } from '../src/lab/image.js';
import { freePort } from '../src/lab/ports.js';
import { createLog } from '../src/log.js';
import { packageRoot } from '../src/root.js';
import { createShutdown } from '../src/shutdown.js';

/** A child process that a benchmark measures or measures against. */
export interface Child {
  readonly pid: number;
  /** SIGTERM, and resolves when it has gone. */
  stop(): Promise<void>;
}

/** Everything that a benchmark runs on: a real Postgres with our tables, and a directory of its own. */
export interface Ground {
  dir: string;
  url: string;
  pool: Pool;
  stop(): Promise<void>;
}

/** The embedded Postgres as `campanile serve` runs it (fsync on), in a directory that goes away with it. */
export async function startGround(): Promise<Ground> {
  const shutdown = createShutdown();
  const dir = await mkdtemp(join(tmpdir(), 'campanile-bench-'));
  await chmod(dir, 0o755);
  shutdown.add(() => rm(dir, { recursive: true, force: true }));
  const log = createLog('error');
  const database = await openDatabase(loadConfig({ CAMPANILE_DATA: join(dir, 'data') }), log);
  shutdown.add(() => database.stop());
  const pool = createPool(database.url, log, { statementSeconds: 600 });
  shutdown.add(() => pool.end());
  return { dir, url: database.url, pool, stop: shutdown.stop };
}

export interface BenchLine {
  asterisk: AsteriskInstance;
  farEnd: FarEnd;
  stop(): Promise<void>;
}

/** A real Asterisk and a far end in `dir`; the bare script's calls play a file of Asterisk's. */
export async function startBenchLine(dir: string): Promise<BenchLine> {
  const shutdown = createShutdown();
  const farEnd = await startFarEnd({
    image: await benchImage(),
    dir: join(dir, 'far-end'),
    port: await freePort('udp'),
  });
  shutdown.add(() => farEnd.stop());
  const asterisk = await startBenchAsterisk(dir, farEnd.address, 'Playback(demo-congrats)');
  shutdown.add(() => asterisk.stop());
  return { asterisk, farEnd, stop: shutdown.stop };
}

/** A real Asterisk in `dir` whose calls go to `farEnd` ('host:port'); those of the bare script then run the application `bare`. */
export async function startBenchAsterisk(
  dir: string,
  farEnd: string,
  bare: string,
): Promise<AsteriskInstance> {
  return startAsterisk({
    image: await benchImage(),
    dir: join(dir, 'asterisk'),
    sipPort: await freePort('udp'),
    farEnds: { far: farEnd },
    includes: [join(packageRoot, 'dialplan', 'campanile.conf')],
    extraExtensions: `[bare]\nexten => s,1,${bare}\n`,
  });
}

async function benchImage(): Promise<Image> {
  const { cacheDir } = loadConfig({});
  const { image, note } = await ensureAsterisk({
    prefer: '22',
    cacheDir,
    log: (line) => console.error(line),
  });
  if (note) console.log(note);
  return image;
}

/** `campanile serve --role node` beside `asterisk`, for the campaigns of the ground's database. */
export async function startCampanileNode(
  ground: Ground,
  asterisk: AsteriskInstance,
  ports: number,
): Promise<Child> {
  return startChild('src/cli/campanile.js', ['serve', '--role', 'node'], {
    DATABASE_URL: ground.url,
    CAMPANILE_DATA: join(ground.dir, 'data'),
    CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
    CAMPANILE_AGI_LISTEN: `127.0.0.1:${await freePort('tcp')}`,
    CAMPANILE_SPOOL: asterisk.spoolDir,
    CAMPANILE_ASTERISK_RUN: asterisk.runDir,
    CAMPANILE_SPOOL_OWNER: `${asterisk.uid}:${asterisk.gid}`,
    CAMPANILE_NODE_PORTS: `${ports}`,
    CAMPANILE_LOG_LEVEL: 'error',
    CAMPANILE_STOP_GRACE: '5s',
  });
}

/** Runs a compiled file of ours; resolves once it runs. Its errors are shown. */
export async function startChild(
  file: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Child> {
  const child = spawn(process.execPath, [join(packageRoot, 'dist', file), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  await once(child, 'spawn');
  const gone = once(child, 'exit');
  return {
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** The middle value; the lower one of two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
}
