import { mkdir, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/lab/ports.js';
import { createLog } from '../../src/log.js';
import { type Running, startCampanile } from '../../src/main.js';
import { createMetrics } from '../../src/monitoring/metrics.js';
import { createReadiness } from '../../src/monitoring/readiness.js';
import { createMonitoringServer } from '../../src/monitoring/server.js';
import { API_CHECKS, startMonitoring } from '../../src/monitoring/start.js';
import { createTestDatabase } from '../support/database.js';
import { keptLog } from '../support/line.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

const log = createLog('silent');
const loopback = (port = 0) => ({ host: '127.0.0.1', port });
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const get = async (port: number | null, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
};
/** What is not ready, by name. */
async function missing(port: number | null): Promise<{ status: number; problems: Record<string, string> }> {
  const { status, text } = await get(port, '/readyz');
  const { checks } = JSON.parse(text) as { checks: { name: string; ready: boolean; problem: string }[] };
  const problems = checks.filter(({ ready }) => !ready).map(({ name, problem }) => [name, problem]);
  return { status, problems: Object.fromEntries(problems) };
}

describe('/readyz of a node', () => {
  let line: SandboxLine;
  let campanile: Running;
  beforeAll(async () => {
    line = await startSandboxLine({ testMode: 'off' });
    campanile = await line.start();
  }, 60_000);
  afterAll(() => line?.stop());
  const eventually = () =>
    expect.poll(() => missing(campanile.metricsPort), { timeout: 25_000, interval: 400 });
  const ready = { status: 200, problems: {} };

  it('is 200 when all is there, and names every check', async () => {
    await eventually().toEqual(ready);
    const { checks } = JSON.parse((await get(campanile.metricsPort, '/readyz')).text);
    expect(checks.map(({ name }: { name: string }) => name)).toEqual([
      ...API_CHECKS,
      'spool',
      'asterisk',
      'fastagi',
      'reconcile',
    ]);
    expect(await get(campanile.apiPort, '/readyz')).toMatchObject({ status: 200, text: '{"ready":true}' });
  });

  it('names the spool when outgoing/ is gone, and the API stays ready', async () => {
    const outgoing = join(line.config.spoolDir, 'outgoing');
    await rename(outgoing, `${outgoing}.away`);
    await eventually().toEqual({ status: 503, problems: { spool: 'there is no outgoing' } });
    expect((await get(campanile.apiPort, '/readyz')).status).toBe(200);
    await rename(`${outgoing}.away`, outgoing);
    await eventually().toEqual(ready);
  });

  it('names the spool when no file can be written', async () => {
    const staging = join(line.config.spoolDir, 'campanile', 'staging');
    await rename(staging, `${staging}.away`);
    const problem = 'no file can be written into campanile/staging';
    await eventually().toMatchObject({ status: 503, problems: { spool: problem } });
    await rename(`${staging}.away`, staging);
    await eventually().toEqual(ready);
  });

  it('names Asterisk when it does not run', async () => {
    const run = line.config.asteriskRunDir;
    await rename(run, `${run}.away`);
    await mkdir(run);
    await eventually().toMatchObject({ status: 503, problems: { asterisk: 'Asterisk does not run' } });
    await rm(run, { recursive: true });
    await rename(`${run}.away`, run);
    await eventually().toEqual(ready);
  });

  it('names migrations that the database lacks', async () => {
    const { pool } = line.database;
    const { rows } = await pool.query('DELETE FROM migrations WHERE name LIKE $1 RETURNING *', ['0027%']);
    const problems = { migrations: 'the database lacks 0027_opt_outs: restart campanile' };
    await eventually().toEqual({ status: 503, problems });
    const onApi = await get(campanile.apiPort, '/readyz');
    expect(onApi.status).toBe(503);
    expect(JSON.parse(onApi.text)).toMatchObject({
      code: 'not_ready',
      detail: `not ready (migrations: ${problems.migrations})`,
    });
    await pool.query('INSERT INTO migrations (name, run_on) VALUES ($1, $2)', [rows[0].name, rows[0].run_on]);
    await eventually().toEqual(ready);
  });
});

describe('/readyz of an API', () => {
  it('names the database when that is away, and tells nothing of where it is; /healthz stays 200', async () => {
    const line = await startSandboxLine();
    cleanups.push(line.stop);
    const database = await createTestDatabase();
    const config = { ...line.config, databaseUrl: database.url };
    const { log: kept, lines } = keptLog();
    const campanile = await startCampanile(config, 'api', kept, () => {});
    cleanups.push(campanile.stop);
    expect((await missing(campanile.metricsPort)).status).toBe(200);
    await database.drop();
    const silent = 'the database does not answer';
    await expect
      .poll(() => missing(campanile.metricsPort), { timeout: 20_000, interval: 400 })
      .toEqual({ status: 503, problems: { database: silent, migrations: silent } });
    expect((await get(campanile.metricsPort, '/readyz')).text).not.toContain('test_');
    expect(await get(campanile.metricsPort, '/healthz')).toMatchObject({ status: 200 });
    expect((await get(campanile.apiPort, '/readyz')).status).toBe(503);
    const said = lines.filter(({ check, msg }) => check === 'database' && msg === 'not ready');
    expect(said).toMatchObject([{ problem: silent, reason: expect.stringMatching(/does not exist/) }]);
  });
});

describe('the listener', () => {
  it('says that the process starts, before there is a database', async () => {
    const monitoring = await startMonitoring(loopback(), log);
    cleanups.push(monitoring.stop);
    const problems = { process: 'it is starting', database: 'it is not open yet' };
    expect(await missing(monitoring.port)).toEqual({ status: 503, problems });
    expect((await get(monitoring.port, '/healthz')).status).toBe(200);
    expect((await get(monitoring.port, '/metrics')).text).toContain('process_cpu_seconds_total');
    monitoring.started();
    monitoring.stopping();
    expect((await missing(monitoring.port)).problems.process).toBe('it is stopping');
  });

  it('knows nothing else, and only GET', async () => {
    const monitoring = await startMonitoring(loopback(), log);
    cleanups.push(monitoring.stop);
    expect((await get(monitoring.port, '/v1/tenants')).status).toBe(404);
    const url = `http://127.0.0.1:${monitoring.port}/metrics`;
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  });

  it('lets the process start although its port is taken, and says so', async () => {
    const port = await freePort('tcp');
    const other = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    cleanups.push(async () => other.close());
    const { log: kept, lines } = keptLog();
    const monitoring = await startMonitoring(loopback(port), kept);
    cleanups.push(monitoring.stop);
    expect(monitoring.port).toBeNull();
    expect(lines[0]).toMatchObject({ level: 50, msg: expect.stringContaining('CAMPANILE_METRICS_LISTEN') });
  });

  it('listens as soon as the port is free', async () => {
    const port = await freePort('tcp');
    const other = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const options = {
      listen: loopback(port),
      metrics: createMetrics(),
      readiness: createReadiness(log),
      log,
    };
    const server = createMonitoringServer({ ...options, againMs: 50 });
    await server.start();
    cleanups.push(server.stop);
    other.close();
    await expect.poll(() => server.port).toBe(port);
    expect((await get(port, '/readyz')).status).toBe(200);
  });
});

describe('a check', () => {
  it('that does not answer is not ready, and holds up no other', async () => {
    const readiness = createReadiness(log);
    readiness.add('mute', () => new Promise(() => {}));
    readiness.add('well', async () => null);
    expect(await readiness.look()).toEqual([
      { name: 'mute', ready: false, problem: 'it does not answer within 2 s' },
      { name: 'well', ready: true, problem: null },
    ]);
  });

  it('is made once for all who ask within a second', async () => {
    const readiness = createReadiness(log);
    let asked = 0;
    readiness.add('counted', async () => {
      asked += 1;
      return null;
    });
    await Promise.all([readiness.look(), readiness.look(['counted']), readiness.look()]);
    expect(asked).toBe(1);
    await expect.poll(() => readiness.look().then(() => asked), { timeout: 5000 }).toBe(2);
  });
});
