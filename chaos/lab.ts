import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Config, loadConfig } from '../src/config.js';
import { type FarEnd, startFarEnd } from '../src/lab/far-end.js';
import { ensureAsterisk } from '../src/lab/image.js';
import { freePort } from '../src/lab/ports.js';
import { mountSmallDisk, type SmallDisk } from '../src/lab/small-disk.js';
import { packageRoot } from '../src/root.js';
import { createShutdown } from '../src/shutdown.js';
import { type AgiRelay, startAgiRelay } from './agi-relay.js';
import { makeChaosBuild, removeChaosBuild } from './build.js';
import { type CampanileProgram, createCampanile } from './campanile.js';
import { type LabAsterisk, startLabAsterisk } from './pbx.js';
import { type LabPostgres, startLabPostgres } from './postgres.js';

/** All that a fault can reach: the real programs, each a process of its own. */
export interface ChaosLab {
  /** What `campanile serve` runs with: spoolDir, listen, agiListen, ... */
  readonly config: Config;
  /** The lab's own directory: everything lies below it. */
  readonly dir: string;
  /** 0 to 1, seeded. */
  readonly random: () => number;
  /** How old the copy is that a database is restored from. */
  readonly copyAgeMs: { from: number; to: number };
  readonly campanile: CampanileProgram;
  readonly asterisk: LabAsterisk;
  readonly postgres: LabPostgres;
  /** What the spool lies on. */
  readonly spoolDisk: SmallDisk;
  /** Stands between Asterisk and our FastAGI: the call files name it. */
  readonly agi: AgiRelay;
  readonly farEnd: FarEnd;
  /** Rows of the database; waits while Postgres is away. A statement may be done twice: it must not matter. */
  query<T>(sql: string, values?: unknown[]): Promise<T[]>;
  /** A line of what is going on, with the time. */
  log(text: string): void;
}

export interface LabOptions {
  asterisk: '22' | '16';
  random: () => number;
  copyAgeMs: { from: number; to: number };
  /** The calls that the node carries at once. */
  ports: number;
  log(text: string): void;
  /** Keep the directory, with all logs. */
  keep?: boolean;
}

/** The header of each INVITE that names its attempt: the far end's own log has it. */
const HEADER = 'X-Campanile-Call';

/** The admin's dialplan, for the template `routed`; the header goes onto the channel that is dialled. */
const ADMINS = `[via-admin]
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@far,,b(chaos-mark^s^1))
 same => n,Hangup()

[chaos-mark]
exten => s,1,Set(PJSIP_HEADER(add,${HEADER})=\${CAMPANILE_CALL})
 same => n,Return()
`;

const PATIENCE_MS = 120_000;
const SPOOL_BYTES = 64 << 20;

/** Starts Postgres, a far end, Asterisk, the relay and Campanile; `stop` ends all of it and removes its directory. */
export async function startChaosLab(options: LabOptions): Promise<ChaosLab & { stop(): Promise<void> }> {
  const shutdown = createShutdown();
  try {
    return await startParts(options, shutdown);
  } catch (error) {
    await shutdown.stop();
    throw error;
  }
}

async function startParts(
  options: LabOptions,
  shutdown: ReturnType<typeof createShutdown>,
): Promise<ChaosLab & { stop(): Promise<void> }> {
  const { cacheDir } = loadConfig({});
  const { image, note } = await ensureAsterisk({ prefer: options.asterisk, cacheDir, log: options.log });
  if (note) options.log(note);
  const dir = await mkdtemp(join(tmpdir(), 'campanile-chaos-'));
  await chmod(dir, 0o755);
  shutdown.add(async () => {
    if (options.keep) options.log(`everything is kept in ${dir}`);
    else await rm(dir, { recursive: true, force: true });
  });
  const build = await makeChaosBuild(basename(dir));
  shutdown.add(() => removeChaosBuild(basename(dir)));

  const postgres = await startLabPostgres(join(dir, 'database'), cacheDir, await freePort('tcp'));
  shutdown.add(postgres.stop);
  const pool = new pg.Pool({ connectionString: postgres.url, application_name: 'chaos', max: 4 });
  pool.on('error', () => {});
  shutdown.add(() => pool.end());

  const farEnd = await startFarEnd({
    image,
    dir: join(dir, 'far-end'),
    port: await freePort('udp'),
    loggedHeader: HEADER,
  });
  shutdown.add(farEnd.stop);
  // A disk of its own, which may be full or read-only.
  const spoolDir = join(dir, 'asterisk', 'spool');
  const spoolDisk = await mountSmallDisk(spoolDir, SPOOL_BYTES);
  shutdown.add(spoolDisk.unmount);
  const asterisk = await startLabAsterisk({
    image,
    dir: join(dir, 'asterisk'),
    shares: [spoolDir],
    sipPort: await freePort('udp'),
    farEnds: { far: farEnd.address },
    includes: [join(packageRoot, 'dialplan', 'campanile.conf')],
    extraExtensions: ADMINS,
  });
  shutdown.add(asterisk.stop);

  const agiListen = { host: '127.0.0.1', port: await freePort('tcp') };
  const agi = await startAgiRelay(agiListen);
  shutdown.add(agi.stop);
  const environment = {
    DATABASE_URL: postgres.url,
    CAMPANILE_DATA: join(dir, 'data'),
    CAMPANILE_LISTEN: `127.0.0.1:${await freePort('tcp')}`,
    CAMPANILE_AGI_LISTEN: `127.0.0.1:${agiListen.port}`,
    CAMPANILE_AGI_URL: `agi://127.0.0.1:${agi.port}`,
    CAMPANILE_SPOOL: asterisk.spoolDir,
    CAMPANILE_ASTERISK_RUN: asterisk.runDir,
    CAMPANILE_SPOOL_OWNER: `${asterisk.uid}:${asterisk.gid}`,
    CAMPANILE_TEMPLATES: await writeTemplates(join(dir, 'templates')),
    CAMPANILE_NODE_PORTS: `${options.ports}`,
    CAMPANILE_STOP_GRACE: '1s',
    CAMPANILE_TEST_MODE: 'off',
    CAMPANILE_LOG_LEVEL: 'info',
  };
  const campanile = createCampanile(build, dir, environment);
  shutdown.add(async () => void (await campanile.stop()));
  await campanile.start();

  return {
    config: loadConfig(environment),
    dir,
    random: options.random,
    copyAgeMs: options.copyAgeMs,
    campanile,
    asterisk,
    postgres,
    spoolDisk,
    agi,
    farEnd,
    query: (sql, values) => patiently(async () => (await pool.query(sql, values)).rows),
    log: options.log,
    stop: shutdown.stop,
  };
}

/** The shipped templates, with the header where Asterisk dials directly. */
async function writeTemplates(directory: string): Promise<string> {
  await mkdir(directory);
  const shipped = await readFile(join(packageRoot, 'spool-templates', 'direct.call'), 'utf8');
  await writeFile(
    join(directory, 'direct.call'),
    `${shipped.trimEnd()}\nSet: PJSIP_HEADER(add,${HEADER})={call}\n`,
  );
  return directory;
}

/** Does `work`, again while the database is away. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      // A class of Postgres (08, 53, 57) that is none of the statement, or no answer of it at all.
      const { code } = error as { code?: string };
      const isSentence = code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(08|53|57)/.test(code);
      if (isSentence || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
