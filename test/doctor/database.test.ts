import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.js';
import { checkDatabase } from '../../src/doctor/database.js';
import type { Finding } from '../../src/doctor/finding.js';
import { freePort } from '../../src/lab/ports.js';
import { createLog } from '../../src/log.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

describe('the check of the database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const check = (url: string) =>
    checkDatabase(loadConfig({ DATABASE_URL: url, CAMPANILE_NODE: 'pbx-1' }), createLog('silent'));
  const shown = (findings: Finding[]) =>
    findings.map(({ step, result, detail }) => `${step} ${result}: ${detail}`);

  it('finds a server with all migrations', async () => {
    const { findings, serveRuns } = await check(database.url);
    expect(shown(findings)).toEqual([
      expect.stringMatching(/^database ok: PostgreSQL 18[.\d]* \(of DATABASE_URL\)$/),
      expect.stringMatching(/^migrations ok: all \d+ are applied$/),
    ]);
    expect(serveRuns).toBe(false);
  });

  it('sees that campanile serve runs as this node', async () => {
    await database.pool.query("INSERT INTO nodes (name, ports) VALUES ('pbx-1', 1), ('pbx-2', 1)");
    expect((await check(database.url)).serveRuns).toBe(true);
    await database.pool.query("UPDATE nodes SET seen_at = now() - interval '1 hour' WHERE name = 'pbx-1'");
    expect((await check(database.url)).serveRuns).toBe(false);
  });

  it('tells of migrations that only a newer campanile knows', async () => {
    await database.pool.query("INSERT INTO migrations (name, run_on) VALUES ('9999_future', now())");
    const { findings } = await check(database.url);
    expect(shown(findings)[1]).toBe(
      'migrations failed: a newer campanile made 9999_future, which this one does not know',
    );
    await database.pool.query("DELETE FROM migrations WHERE name = '9999_future'");
  });

  it('tells that migrations are pending, and when the user may not run them', async () => {
    const { rows } = await database.pool.query('DELETE FROM migrations RETURNING name, run_on');
    expect(shown((await check(database.url)).findings)[1]).toMatch(
      /^migrations ok: (\d+) of \1 are not applied yet/,
    );
    const role = `doctor_${process.pid}`;
    await database.pool.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT SELECT ON migrations TO ${role}`,
    );
    const url = Object.assign(new URL(database.url), { username: role, password: 'x' }).href;
    const { findings } = await check(url);
    await database.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    expect(findings[1]).toMatchObject({
      result: 'failed',
      detail: `they are pending, and the user ${role} may not make tables`,
      remedy: [`psql -c 'GRANT CREATE ON SCHEMA public TO ${role}', as the owner of the database`],
    });
    for (const { name, run_on } of rows) {
      await database.pool.query('INSERT INTO migrations (name, run_on) VALUES ($1, $2)', [name, run_on]);
    }
  });

  it('tells what to do when there is no such server, user or database, without the password', async () => {
    const refused = await check(
      `postgres://campanile:hush-hush@127.0.0.1:${await freePort('tcp')}/campanile`,
    );
    expect(refused.findings[0]).toMatchObject({
      result: 'failed',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
    expect(refused.findings[0]?.remedy[0]).toContain('systemctl start postgresql');
    expect(refused.serveRuns).toBeNull();
    const password = await check(Object.assign(new URL(database.url), { password: 'hush-hush' }).href);
    expect(password.findings[0]?.remedy).toEqual(['correct user and password in DATABASE_URL']);
    const missing = await check(Object.assign(new URL(database.url), { pathname: '/none' }).href);
    expect(missing.findings[0]?.remedy[0]).toContain('createdb');
    expect(JSON.stringify([refused, password, missing])).not.toContain('hush-hush');
  });
});
