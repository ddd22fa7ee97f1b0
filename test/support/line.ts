import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe } from 'vitest';
import { issueToken } from '../../src/api/token.js';
import { type Config, loadConfig, loadSecret } from '../../src/config.js';
import { type AsteriskInstance, startAsterisk } from '../../src/lab/asterisk.js';
import { type FarEnd, type FarEndOptions, startFarEnd } from '../../src/lab/far-end.js';
import { canHaveAsterisk, ensureAsterisk, type Image } from '../../src/lab/image.js';
import { type Phones, type PhonesOptions, startPhones } from '../../src/lab/phone/phones.js';
import { freePort } from '../../src/lab/ports.js';
import { mountSmallDisk, type SmallDisk } from '../../src/lab/small-disk.js';
import { createLog, LOG_OPTIONS, type Logger } from '../../src/log.js';
import { type Running, startCampanile } from '../../src/main.js';
import { toneWav } from '../../src/messages/tone.js';
import { packageRoot } from '../../src/root.js';
import { callIdOfFile } from '../../src/spool/name.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { compile } from './program.js';

/**
 * `describe` for what needs a real Asterisk. Where none can be had the tests are skipped by name, with the reason;
 * with CI=true that is a failure.
 */
export function describeOnAsterisk(name: string, tests: () => void): void {
  const reason = canHaveAsterisk();
  if (reason && process.env.CI === 'true') throw new Error(`no real Asterisk can be had here: ${reason}`);
  describe.skipIf(reason !== null)(reason ? `${name} (${reason})` : name, tests);
}

/** The Asterisk that this run of the tests is about: `npm run test:pbx -- --asterisk 16`. */
export function testImage(): Promise<Image> {
  const prefer = process.env.TEST_ASTERISK === '16' ? '16' : '22';
  return ensureAsterisk({ prefer, cacheDir: loadConfig({}).cacheDir, log: () => {} }).then(
    ({ image, note }) => {
      if (note) console.log(note);
      return image;
    },
  );
}

/** The whole line: a database, a real Asterisk with a far end, and a Campanile beside it that can be restarted. */
export interface Line {
  database: TestDatabase;
  asterisk: AsteriskInstance;
  /** Where Asterisk takes calls: a UDP port of 127.0.0.1. */
  sipPort: number;
  farEnd: FarEnd;
  /** Far ends with ears and mouths, where they were asked for: the PBX trunk `phones`. */
  phones: Phones | null;
  config: Config;
  /** What the spool lies on, where a size was given. */
  spoolDisk: SmallDisk | null;
  /** Starts Campanile, or another one after it was stopped. */
  start(over?: Partial<Config>, log?: Logger): Promise<Running>;
  stop(): Promise<void>;
}

/** What the API answered; `json` is null where there was none. */
export interface ApiAnswer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
  json: any;
}

/** Sends a request to the API of a running Campanile: a body that is no text goes as JSON. */
export type SendToApi = (method: string, path: string, body?: unknown, type?: string) => Promise<ApiAnswer>;

export async function startLine(
  options: {
    farEnd?: Partial<FarEndOptions>;
    phones?: PhonesOptions;
    config?: Partial<Config>;
    extraExtensions?: string;
    extraPjsip?: string;
    extraQueues?: string;
    /** The spool lies on a disk of its own, of this size: one that can be full, or read-only. */
    spoolBytes?: number;
  } = {},
): Promise<Line> {
  const image = await testImage();
  const dir = await mkdtemp(join(tmpdir(), 'campanile-line-'));
  await chmod(dir, 0o755);
  const database = await createTestDatabase();
  const farEnd = await startFarEnd({
    image,
    dir: join(dir, 'far-end'),
    port: await freePort('udp'),
    ...options.farEnd,
  });
  if (options.phones) await compile();
  const phones = options.phones ? await startPhones(options.phones) : null;
  const sipPort = await freePort('udp');
  const spoolDir = join(dir, 'asterisk/spool');
  const spoolDisk = options.spoolBytes ? await mountSmallDisk(spoolDir, options.spoolBytes) : null;
  const asterisk = await startAsterisk({
    image,
    dir: join(dir, 'asterisk'),
    sipPort,
    shares: spoolDisk ? [spoolDir] : [],
    farEnds: { far: farEnd.address, ...(phones ? { phones: phones.address } : {}) },
    includes: [join(packageRoot, 'dialplan', 'campanile.conf')],
    ...(options.extraPjsip ? { extraPjsip: options.extraPjsip } : {}),
    ...(options.extraExtensions ? { extraExtensions: options.extraExtensions } : {}),
    ...(options.extraQueues ? { extraQueues: options.extraQueues } : {}),
  });
  const agiPort = await freePort('tcp');
  const config: Config = {
    ...loadConfig({
      DATABASE_URL: database.url,
      CAMPANILE_DATA: join(dir, 'data'),
      CAMPANILE_LISTEN: '127.0.0.1:0',
      CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
      CAMPANILE_AGI_LISTEN: `127.0.0.1:${agiPort}`,
      CAMPANILE_SPOOL: asterisk.spoolDir,
      CAMPANILE_ASTERISK_RUN: asterisk.runDir,
      CAMPANILE_SPOOL_OWNER: `${asterisk.uid}:${asterisk.gid}`,
      CAMPANILE_STOP_GRACE: '1s',
      CAMPANILE_TEST_MODE: 'off',
      CAMPANILE_SIP_PRIVATE_HOSTS: 'allow',
    }),
    ...options.config,
  };
  const running: Running[] = [];
  return {
    database,
    asterisk,
    sipPort,
    farEnd,
    phones,
    config,
    spoolDisk,
    async start(over = {}, log = createLog(process.env.TEST_LOG ?? 'error')) {
      const campanile = await startCampanile({ ...config, ...over }, 'all', log, (error) => {
        throw error;
      });
      running.push(campanile);
      return campanile;
    },
    async stop() {
      for (const campanile of running) await campanile.stop();
      await asterisk.stop();
      await farEnd.stop();
      await phones?.stop();
      await spoolDisk?.unmount();
      await database.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The API of `running` as the tenant uses it, over HTTP and with a token of his. */
export async function apiFor(
  { config }: Pick<Line, 'config'>,
  { apiPort }: Running,
  grant: { tenantId: string } | { admin: true },
): Promise<SendToApi> {
  const token = issueToken(await loadSecret(config), grant, 3600);
  return async (method, path, body, type = 'application/json') => {
    const response = await fetch(`http://127.0.0.1:${apiPort}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'Content-Type': type }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, json: text === '' ? null : JSON.parse(text) };
  };
}

/** Call files of ours, by the directory they lie in; a directory with none is left out. */
export async function filesOfOurs({ spoolDir }: { spoolDir: string }): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const dir of ['outgoing', 'outgoing_done', 'campanile/staging', 'campanile/quarantine']) {
    const names = await readdir(join(spoolDir, dir));
    const ours = names.filter((name) => callIdOfFile(name) !== null);
    if (ours.length > 0) found[dir] = ours;
  }
  return found;
}

/** A log that is kept, one object a line. */
export function keptLog(level = 'info'): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ ...LOG_OPTIONS, level }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { log, lines };
}

/** A message of `seconds`, as `insertTenantFixture` takes it. */
export function toneMessage(seconds: number): { audio: Buffer; sha256: string } {
  const audio = toneWav(seconds);
  return { audio, sha256: createHash('sha256').update(audio).digest('hex') };
}
