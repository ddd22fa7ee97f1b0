import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { issueToken } from '../src/api/token.js';
import { loadConfig, loadSecret } from '../src/config.js';
import { freePort } from '../src/lab/ports.js';
import { insertBenchCampaign } from './campaign.js';
import { type Ground, median, startChild } from './line.js';

const ATTEMPTS = 300_000;
const WARM_UP = 60_000;
const SAMPLE_MS = 20;
const MOST_GROWTH_MIB = 50;
const LEAST_RATIO = 0.1;
const FORMATS = ['csv', 'ndjson'] as const;

interface Exported {
  rowsPerSecond: number;
  /** The most memory of the server while it sent, beyond what it had before. */
  growthMib: number;
  peakMib: number;
}

/** A campaign with one ended attempt at each of its contacts. */
async function insertAttempts(ground: Ground, count: number): Promise<{ tenant: string; campaign: string }> {
  const campaign = await insertBenchCampaign(ground.pool, {
    ports: 0,
    contacts: count,
    code: '201',
    seconds: 1,
  });
  await ground.pool.query("INSERT INTO nodes (name, ports) VALUES ('bench', 1) ON CONFLICT DO NOTHING");
  await ground.pool.query(
    `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal, state,
        claimed_at, answered_at, ended_at, disposition, sip_status, hangup_cause, hangup_at, hung_up_by, ring_seconds,
        talk_seconds, heard_seconds, key)
      SELECT c.tenant_id, uuidv7(), c.campaign_id, c.id, p.trunk_id, 'far', 'bench', c.number, 1, 'ended', now(), now(),
        now(), 'answered', 200, 16, now(), 'callee', 5.25, 14.5, 12, '1'
      FROM contacts c JOIN campaign_trunks p ON p.campaign_id = c.campaign_id WHERE c.campaign_id = $1`,
    [campaign],
  );
  await ground.pool.query('VACUUM ANALYZE attempts');
  const { rows } = await ground.pool.query('SELECT tenant_id FROM campaigns WHERE id = $1', [campaign]);
  return { tenant: rows[0].tenant_id, campaign };
}

/** Rows per second of the same rows as Postgres itself writes them. */
async function copy(ground: Ground, campaign: string): Promise<number> {
  const from = performance.now();
  await ground.pool.query(
    `COPY (SELECT * FROM attempts WHERE campaign_id = '${campaign}' ORDER BY id) TO '/dev/null' WITH (FORMAT csv, HEADER)`,
  );
  return (ATTEMPTS * 1000) / (performance.now() - from);
}

/** Reads an export as fast as it comes, and looks at the server's memory meanwhile. */
async function read(url: string, token: string, pid: number, rows: number): Promise<Exported> {
  const before = await memoryMib(pid);
  let peakMib = before;
  let ended = false;
  const watching = (async () => {
    for (; !ended; await sleep(SAMPLE_MS)) peakMib = Math.max(peakMib, await memoryMib(pid));
  })();
  const from = performance.now();
  const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  let lines = 0;
  for await (const chunk of response.body! as AsyncIterable<Uint8Array>) {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
  }
  const seconds = (performance.now() - from) / 1000;
  ended = true;
  await watching;
  const expected = rows + (url.endsWith('csv') ? 1 : 0);
  if (lines !== expected) throw new Error(`the export has ${lines} lines and not ${expected}`);
  return { rowsPerSecond: rows / seconds, growthMib: peakMib - before, peakMib };
}

/** What a process has in memory (VmRSS of Linux). */
async function memoryMib(pid: number): Promise<number> {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

/** An export of many attempts: rows per second against a bare COPY TO, and how the server's memory grows. */
export async function benchExport(ground: Ground, times: number): Promise<boolean> {
  const few = await insertAttempts(ground, WARM_UP);
  const many = await insertAttempts(ground, ATTEMPTS);
  const port = await freePort('tcp');
  const data = join(ground.dir, 'data');
  const secret = await loadSecret(loadConfig({ CAMPANILE_DATA: data }));
  const server = await startChild('src/cli/campanile.js', ['serve', '--role', 'api'], {
    DATABASE_URL: ground.url,
    CAMPANILE_DATA: data,
    CAMPANILE_LISTEN: `127.0.0.1:${port}`,
    CAMPANILE_LOG_LEVEL: 'error',
  });
  const api = `http://127.0.0.1:${port}`;
  const exportOf = (of: { tenant: string; campaign: string }, format: string, rows: number) =>
    read(
      `${api}/v1/campaigns/${of.campaign}/attempts/export?format=${format}`,
      issueToken(secret, { tenantId: of.tenant }, 3600),
      server.pid,
      rows,
    );
  const rounds: ({ copy: number } & Record<(typeof FORMATS)[number], Exported>)[] = [];
  try {
    while (
      !(await fetch(`${api}/healthz`).then(
        (r) => r.ok,
        () => false,
      ))
    )
      await sleep(50);
    for (const format of FORMATS) await exportOf(few, format, WARM_UP);
    for (let i = 0; i < times; i++) {
      rounds.push({
        copy: await copy(ground, many.campaign),
        csv: await exportOf(many, 'csv', ATTEMPTS),
        ndjson: await exportOf(many, 'ndjson', ATTEMPTS),
      });
    }
  } finally {
    await server.stop();
  }
  console.log(
    `\nExport of ${ATTEMPTS} attempts, ${times} rounds in turn with COPY TO of the same rows as CSV`,
  );
  for (const round of rounds) {
    console.log(
      `  COPY TO ${round.copy.toFixed(0)} rows/s${FORMATS.map(
        (format) =>
          `   ${format} ${round[format].rowsPerSecond.toFixed(0)} rows/s, ratio ${(round[format].rowsPerSecond / round.copy).toFixed(3)},` +
          ` RSS +${round[format].growthMib.toFixed(1)} MiB to ${round[format].peakMib.toFixed(1)}`,
      ).join('')}`,
    );
  }
  const growth = Math.max(...rounds.flatMap((round) => FORMATS.map((format) => round[format].growthMib)));
  const ratios = FORMATS.map((format) => median(rounds.map((r) => r[format].rowsPerSecond / r.copy)));
  const flat = growth < MOST_GROWTH_MIB;
  const fast = Math.min(...ratios) >= LEAST_RATIO;
  console.log(
    `  most RSS growth ${growth.toFixed(1)} MiB, limit ${MOST_GROWTH_MIB}: ${flat ? 'kept' : 'NOT KEPT'}`,
  );
  console.log(
    `  median ratios ${ratios.map((r) => r.toFixed(3)).join(', ')}, limit ${LEAST_RATIO}: ${fast ? 'kept' : 'NOT KEPT'}`,
  );
  return flat && fast;
}
