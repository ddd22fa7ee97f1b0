import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import { createLog } from '../src/log.js';
import { type Running, startCampanile } from '../src/main.js';
import { packageRoot } from '../src/root.js';
import { attemptsOf, untilCompleted } from './support/campaigns.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { compile } from './support/program.js';

const run = promisify(execFile);

/** Why a shell cannot run the lines here, or null: `--json` came with curl 7.82. */
function whatIsMissing(): string | null {
  try {
    const [, major = '0', minor = '0'] =
      /^curl (\d+)\.(\d+)/.exec(execFileSync('curl', ['--version']).toString()) ?? [];
    return Number(major) * 1000 + Number(minor) >= 7082 ? null : 'curl is older than 7.82';
  } catch {
    return 'there is no curl';
  }
}

const missing = whatIsMissing();

/** The block of a section of README.md, as it is to be typed. */
async function blockOf(section: string): Promise<string> {
  const [, text] = (await readFile(join(packageRoot, 'README.md'), 'utf8')).split(`## ${section}\n`);
  const lines = (text ?? '').split('\n');
  const from = lines.findIndex((line) => line.startsWith('    '));
  const to = lines.findIndex((line, i) => i > from && line !== '' && !line.startsWith('    '));
  return lines
    .slice(from, to)
    .map((line) => line.slice(4))
    .join('\n');
}

describe.skipIf(missing !== null)(`README.md${missing ? ` (${missing})` : ''}`, () => {
  let database: TestDatabase;
  let campanile: Running;
  let dir: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    // As tsc leaves it, where npm has seen this folder before.
    await chmod(join(packageRoot, 'dist/src/cli/campanile.js'), 0o644).catch(() => {});
    await compile();
    database = await createTestDatabase();
    dir = await mkdtemp(join(tmpdir(), 'campanile-readme-'));
    env = {
      DATABASE_URL: database.url,
      CAMPANILE_DATA: dir,
      CAMPANILE_LISTEN: '127.0.0.1:0',
      CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
      CAMPANILE_TEST_MODE: 'only',
    };
    const fail = (error: Error) => {
      throw error;
    };
    campanile = await startCampanile(loadConfig(env), 'all', createLog('error'), fail);
  }, 120_000);
  afterAll(async () => {
    await campanile?.stop();
    await database?.drop();
    await rm(dir, { recursive: true, force: true });
  });

  it('comes from nothing to a running campaign in six lines of curl', async () => {
    const block = await blockOf('From nothing to a running campaign');
    expect(block.match(/\bcurl /g)).toHaveLength(6);
    const { stdout, stderr } = await run(
      'bash',
      ['-e', '-o', 'pipefail', '-c', block.replace(':8088/', `:${campanile.apiPort}/`)],
      { cwd: packageRoot, env: { ...process.env, ...env } },
    );
    expect(stderr.replace(/^npm .*\n?/gm, '')).toBe('');
    expect(stdout).toContain('{"added":3,"duplicates":0}');
    const { rows } = await database.pool.query('SELECT id, name, test FROM campaigns');
    expect(rows).toMatchObject([{ name: 'Monday', test: true }]);
    const [{ id }] = rows;
    await untilCompleted(database.pool, [id], 30);
    const attempts = await attemptsOf(database.pool, id);
    expect(attempts.map(({ disposition, key }) => `${disposition} ${key}`)).toEqual([
      'answered 3',
      'answered 1',
      'answered 2',
    ]);
  });
});
