import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueToken } from '../../src/api/token.js';
import { type Config, loadConfig, loadSecret } from '../../src/config.js';
import { freePort } from '../../src/lab/ports.js';
import { createLog } from '../../src/log.js';
import { type Running, startCampanile } from '../../src/main.js';
import { type SandboxPbx, startSandboxPbx } from '../../src/sandbox/pbx.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import type { ApiAnswer } from './line.js';
import { compile } from './program.js';

/** A database, a witness in the place of the real PBX, and a Campanile that can be restarted, with its sandbox. */
export interface SandboxLine {
  database: TestDatabase;
  /** What stands for the real Asterisk: it sees every call that would have been one. */
  witness: SandboxPbx;
  config: Config;
  start(over?: Partial<Config>): Promise<Running>;
  /** A request to the API of a running Campanile; without a tenant as an admin. */
  send(
    campanile: Running,
    tenantId: string | null,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<ApiAnswer>;
  stop(): Promise<void>;
}

export async function startSandboxLine(over: Partial<Config> = {}): Promise<SandboxLine> {
  await compile();
  const dir = await mkdtemp(join(tmpdir(), 'campanile-test-mode-'));
  const database = await createTestDatabase();
  const spoolDir = join(dir, 'spool');
  const runDir = join(dir, 'run');
  await mkdir(join(spoolDir, 'outgoing'), { recursive: true });
  const log = createLog(process.env.TEST_LOG ?? 'silent');
  const witness = await startSandboxPbx({ spoolDir, runDir, log, speed: 10 });
  const config: Config = {
    ...loadConfig({
      DATABASE_URL: database.url,
      CAMPANILE_DATA: join(dir, 'data'),
      CAMPANILE_LISTEN: '127.0.0.1:0',
      CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
      CAMPANILE_AGI_LISTEN: `127.0.0.1:${await freePort('tcp')}`,
      CAMPANILE_SPOOL: spoolDir,
      CAMPANILE_ASTERISK_RUN: runDir,
      CAMPANILE_NODE: 'pbx-1',
      CAMPANILE_STOP_GRACE: '1s',
      CAMPANILE_WEBHOOK_PRIVATE_HOSTS: 'allow',
      CAMPANILE_LOG_LEVEL: process.env.TEST_LOG ?? 'silent',
    }),
    ...over,
  };
  const running: Running[] = [];
  return {
    database,
    witness,
    config,
    async start(more = {}) {
      const campanile = await startCampanile({ ...config, ...more }, 'all', log, (error) => {
        throw error;
      });
      running.push(campanile);
      return campanile;
    },
    async send(campanile, tenantId, method, path, body) {
      const grant = tenantId === null ? { admin: true as const } : { tenantId };
      const token = issueToken(await loadSecret(config), grant, 600);
      const response = await fetch(`http://127.0.0.1:${campanile.apiPort}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
      return { status: response.status, json: isJson ? JSON.parse(text) : text };
    },
    async stop() {
      for (const campanile of running) await campanile.stop();
      await witness.stop();
      await database.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
