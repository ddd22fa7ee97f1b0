import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.js';
import { createLog } from '../../src/log.js';
import { Checkout, type Starter } from './checkout.js';

const log = createLog('silent');

/** How long to wait for a killed server to be back. */
export const patient = { timeout: 20_000, interval: 50 };

/**
 * Places for embedded servers: a fresh data directory for each test, and an installation that starters run from.
 * Stops whatever was started, and fails the test that left a process running.
 */
export class EmbeddedSandbox {
  root = '';
  cacheDir = '';
  dataDir = '';
  checkout!: Checkout;
  readonly #servers: EmbeddedPostgres[] = [];
  readonly #starters: Starter[] = [];

  /** Call it at the top of a test file. */
  static register(): EmbeddedSandbox {
    const sandbox = new EmbeddedSandbox();
    beforeAll(() => sandbox.#open());
    beforeEach(() => sandbox.#clear());
    afterEach(() => sandbox.#stop());
    afterAll(() => rm(sandbox.root, { recursive: true }));
    return sandbox;
  }

  /** A server that this process looks after. */
  async start(options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedPostgres> {
    const { dataDir, cacheDir } = this;
    const server = await startEmbeddedPostgres({ dataDir, cacheDir, log, ...options });
    this.#servers.push(server);
    return server;
  }

  /** Another process that starts a server, or adopts it. */
  startElsewhere(from = this.checkout, user: { uid?: number; gid?: number } = {}): Starter {
    const { dataDir, cacheDir } = this;
    const starter = from.start({ dataDir, cacheDir }, user);
    this.#starters.push(starter);
    return starter;
  }

  async #open(): Promise<void> {
    this.root = await mkdtemp(join(tmpdir(), 'campanile-embedded-'));
    await chmod(this.root, 0o711);
    this.cacheDir = join(this.root, 'cache');
    this.checkout = await Checkout.create(join(this.root, 'checkout'));
  }

  async #clear(): Promise<void> {
    this.dataDir = await mkdtemp(join(this.root, 'data-'));
    await chmod(this.dataDir, 0o711);
  }

  async #stop(): Promise<void> {
    for (const starter of this.#starters.splice(0)) await starter.stop();
    for (const server of this.#servers.splice(0)) await server.stop();
    expect(await findProcesses(this.root)).toEqual([]);
    // Backends have a title in place of their arguments.
    const settings = await readFile(join(this.dataDir, 'postgres/postgresql.conf'), 'utf8').catch(() => '');
    const [, name] = /^cluster_name = '(.*)'/m.exec(settings) ?? [];
    if (name) expect(await findProcesses(`postgres: ${name}`)).toEqual([]);
  }
}

/** The first column of the rows, over a connection of its own. */
export async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows.map((row: unknown[]) => row[0]);
  } finally {
    await client.end();
  }
}

/** `[1]` when the server answers, else why not. */
export const answer = (url: string): Promise<unknown> => query(url, 'SELECT 1').catch(String);

/** `<pid> <arguments>` of the processes whose command line contains a text; zombies have none. */
export async function findProcesses(part: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    const args = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
    if (args.includes(part)) found.push(`${pid} ${args.replaceAll('\0', ' ')}`);
  }
  return found;
}

/** Whether a process lives; a zombie does not. */
export function isRunning(pid: number): Promise<boolean> {
  return readFile(`/proc/${pid}/cmdline`, 'utf8').then(
    (args) => args !== '',
    () => false,
  );
}

/** The number of the user a file belongs to. */
export const ownerOf = async (path: string): Promise<number> => (await stat(path)).uid;
