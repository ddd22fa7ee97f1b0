import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.js';
import { createInstallationGauges } from '../../src/monitoring/installation.js';
import { createMetrics } from '../../src/monitoring/metrics.js';
import { packageRoot } from '../../src/root.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { describeWithPromtool, ensurePromtool } from '../support/promtool.js';
import { parseScrape } from '../support/scrape.js';

const run = promisify(execFile);
const folder = join(packageRoot, 'docs', 'monitoring');

interface Panel {
  title: string;
  targets?: { expr: string }[];
}
const read = (name: string) => readFile(join(folder, name), 'utf8');
async function panels(): Promise<Panel[]> {
  return JSON.parse(await read('dashboard.json')).panels;
}
const expressions = async () =>
  (await panels()).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const namesIn = (text: string) =>
  [...text.matchAll(/\b(?:campanile|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name);
/** As the type line has it: what a histogram is told by has endings. */
const plain = (name: string) => name.replace(/_(bucket|sum|count)$/, '');

describe('docs/monitoring', () => {
  let database: TestDatabase;
  let told: Set<string>;
  beforeAll(async () => {
    database = await createTestDatabase();
    const metrics = createMetrics();
    metrics.ofNode('a');
    metrics.before(createInstallationGauges(metrics.registry, database.pool, createLog('silent')));
    told = parseScrape(await metrics.text()).names;
  });
  afterAll(() => database.drop());

  it('names in its dashboard only metrics that there are, and shows every one of ours', async () => {
    const shown = new Set((await expressions()).flatMap(namesIn).map(plain));
    expect([...shown].filter((name) => !told.has(name))).toEqual([]);
    const ours = [...told].filter((name) => name.startsWith('campanile_'));
    expect(ours.filter((name) => !shown.has(name))).toEqual([]);
  });

  it('names in its alerts only metrics that there are', async () => {
    const used = [...(await read('alerts.yml')).matchAll(/^ +(?:expr:|\S+ by|\(|\/|and|or|sum).*$/gm)];
    const names = used.flatMap(([line]) => namesIn(line));
    expect(names.length).toBeGreaterThan(8);
    expect(names.map(plain).filter((name) => !told.has(name))).toEqual([]);
  });

  it('lists every metric, with its type, and none that there is not', async () => {
    const text = await readFile(join(packageRoot, 'docs', 'monitoring.md'), 'utf8');
    const listed = new Map(
      [...text.matchAll(/^\| `(campanile_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => [name!, type!]),
    );
    const metrics = createMetrics();
    metrics.ofNode('a');
    metrics.before(createInstallationGauges(metrics.registry, database.pool, createLog('silent')));
    const types = [...(await metrics.text()).matchAll(/^# TYPE (campanile_\w+) (\w+)/gm)];
    expect(Object.fromEntries(listed)).toEqual(
      Object.fromEntries(types.map(([, name, type]) => [name, type])),
    );
    for (const [, alert] of (await read('alerts.yml')).matchAll(/alert: (\w+)/g))
      expect(text, alert).toContain(`### ${alert}\n`);
  });

  it('has a dashboard that Grafana 10 imports: a data source to choose, panels apart from each other', async () => {
    const { schemaVersion, templating } = JSON.parse(await read('dashboard.json'));
    expect(schemaVersion).toBe(38);
    expect(templating.list).toMatchObject([{ name: 'datasource', type: 'datasource', query: 'prometheus' }]);
    const all = JSON.parse(await read('dashboard.json')).panels;
    expect(new Set(all.map(({ id }: { id: number }) => id)).size).toBe(all.length);
    const cells = new Set<string>();
    for (const { gridPos, title } of all) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(cells.has(`${x} ${y}`), `${title} lies over another panel`).toBe(false);
          cells.add(`${x} ${y}`);
        }
    }
  });
});

describeWithPromtool('promtool', () => {
  let promtool: string;
  beforeAll(async () => {
    promtool = await ensurePromtool();
  }, 120_000);

  it('takes the alert rules, and each fires when it should and not otherwise', async () => {
    const { stdout } = await run(promtool, ['check', 'rules', 'alerts.yml'], { cwd: folder });
    expect(stdout).toContain('SUCCESS: 7 rules found');
    const tested = await run(promtool, ['test', 'rules', 'alerts.test.yml'], { cwd: folder });
    expect(tested.stdout).toContain('SUCCESS');
    const alerts = [...(await read('alerts.yml')).matchAll(/alert: (\w+)/g)].map(([, name]) => name);
    const tests = await read('alerts.test.yml');
    for (const alert of alerts) {
      const cases = tests.split(`alertname: ${alert}\n`).slice(1);
      expect(
        cases.some((text) => /^\s+exp_alerts: \[\]/.test(text)),
        `${alert} not firing`,
      ).toBe(true);
      expect(
        cases.some((text) => /^\s+exp_alerts:\n/.test(text)),
        `${alert} firing`,
      ).toBe(true);
    }
  });

  it('reads every expression of the dashboard', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'campanile-promtool-'));
    // Grafana fills in its own variables.
    const rules = (await expressions()).map((expr, i) => ({
      record: `panel_${i}`,
      expr: expr.replaceAll('$__rate_interval', '1m'),
    }));
    const file = join(dir, 'rules.json');
    await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const { stdout } = await run(promtool, ['check', 'rules', file]);
    expect(stdout).toContain(`SUCCESS: ${rules.length} rules found`);
    await rm(dir, { recursive: true });
  });
});
