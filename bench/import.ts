import { createReadStream, createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { issueToken } from '../src/api/token.js';
import { newId } from '../src/ids.js';
import { freePort } from '../src/lab/ports.js';
import { insertBenchCampaign } from './campaign.js';
import { type Child, type Ground, median, startChild } from './line.js';

const ROWS = 1_000_000;
const LIMIT = 0.4;
const RSS_LIMIT_MIB = 200;
const SECRET = 'a secret of the benchmark that has more than 32 bytes';

/** Numbers that libphonenumber takes, all different, in no order; 7919 shares no factor with the eight million. */
const numberOf = (i: number) => `+1212${2_000_000 + ((i * 7919) % 8_000_000)}`;

async function writeLines(path: string, header: string, lineOf: (i: number) => string): Promise<void> {
  function* lines() {
    yield header;
    for (let from = 0; from < ROWS; from += 1000)
      yield Array.from({ length: 1000 }, (_, i) => lineOf(from + i)).join('');
  }
  await pipeline(Readable.from(lines()), createWriteStream(path));
}

interface Target {
  tenant: string;
  campaign: string;
}

/** A campaign that runs, in a table that is otherwise empty. */
async function freshCampaign({ pool }: Ground): Promise<Target> {
  await pool.query('TRUNCATE contacts CASCADE');
  const campaign = await insertBenchCampaign(pool, { ports: 0, contacts: 0, code: '201', seconds: 1 });
  const { rows } = await pool.query('SELECT tenant_id FROM campaigns WHERE id = $1', [campaign]);
  await pool.query('CHECKPOINT');
  return { campaign, tenant: rows[0].tenant_id };
}

/** Rows per second of COPY of a file that is ready. */
async function measureCopy(ground: Ground): Promise<number> {
  const { tenant, campaign } = await freshCampaign(ground);
  const file = join(ground.dir, 'contacts.copy');
  const fields = (i: number) => JSON.stringify({ name: `Ada ${i}`, city: 'Berlin' });
  await writeLines(
    file,
    '',
    (i) => `${tenant}\t${newId()}\t${campaign}\t${numberOf(i)}\tEurope/Berlin\t${fields(i)}\n`,
  );
  const client = await ground.pool.connect();
  try {
    const from = performance.now();
    const copy = 'COPY contacts (tenant_id, id, campaign_id, number, time_zone, fields) FROM STDIN';
    await pipeline(createReadStream(file), client.query(copyFrom(copy)));
    return (ROWS * 1000) / (performance.now() - from);
  } finally {
    client.release();
  }
}

/** The longest that somebody who ends a call of the campaign waits for its row, meanwhile. */
function watchLock({ pool }: Ground, campaign: string): () => Promise<number> {
  let longest = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      const from = performance.now();
      await pool.query('UPDATE campaigns SET weight = weight WHERE id = $1', [campaign]);
      longest = Math.max(longest, performance.now() - from);
      await sleep(20);
    }
  })();
  return async () => {
    over = true;
    await watching;
    return longest;
  };
}

interface Measured {
  perSecond: number;
  receivingSeconds: number;
  lockedMs: number;
}

/** Rows per second of an import over HTTP, from the first byte until it is completed. */
async function measureImport(ground: Ground, url: string, file: string): Promise<Measured> {
  const { tenant, campaign } = await freshCampaign(ground);
  const authorization = `Bearer ${issueToken(Buffer.from(SECRET), { tenantId: tenant }, 3600)}`;
  const watch = watchLock(ground, campaign);
  const from = performance.now();
  const upload = request(`${url}/v1/campaigns/${campaign}/imports`, {
    method: 'POST',
    headers: { authorization, 'Content-Type': 'text/csv' },
  });
  const answered = new Promise<{ id: string }>((resolve, reject) => {
    upload.on('response', (response) => resolve(json(response) as Promise<{ id: string }>));
    upload.on('error', reject);
  });
  await pipeline(createReadStream(file), upload);
  const { id } = await answered;
  const received = performance.now();
  for (;;) {
    const answer = await fetch(`${url}/v1/imports/${id}`, { headers: { authorization } });
    const job = (await answer.json()) as { state: string; added: number };
    if (job.state === 'completed' && job.added === ROWS) break;
    if (job.state !== 'storing') throw new Error(`the import ended as ${JSON.stringify(job)}`);
    await sleep(50);
  }
  const done = performance.now();
  return {
    perSecond: (ROWS * 1000) / (done - from),
    receivingSeconds: (received - from) / 1000,
    lockedMs: await watch(),
  };
}

/** The most resident memory that a process ever had, in MiB. */
async function peakOf({ pid }: Child): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** A million contacts over HTTP against a bare COPY of the same rows into the same table. */
export async function benchImport(ground: Ground, times: number): Promise<boolean> {
  const file = join(ground.dir, 'contacts.csv');
  await writeLines(
    file,
    'number,name,city,time_zone\n',
    (i) => `${numberOf(i)},Ada ${i},Berlin,Europe/Berlin\n`,
  );
  const port = await freePort('tcp');
  const url = `http://127.0.0.1:${port}`;
  const campanile = await startChild('src/cli/campanile.js', ['serve', '--role', 'api'], {
    DATABASE_URL: ground.url,
    CAMPANILE_DATA: join(ground.dir, 'data'),
    CAMPANILE_LISTEN: `127.0.0.1:${port}`,
    CAMPANILE_SECRET: SECRET,
    CAMPANILE_LOG_LEVEL: 'error',
  });
  const rounds: { copy: number; imported: Measured }[] = [];
  let peak = Number.NaN;
  try {
    while (!(await fetch(`${url}/healthz`).catch(() => null))?.ok) await sleep(100);
    for (let i = 0; i < times; i++) {
      const copy = await measureCopy(ground);
      rounds.push({ copy, imported: await measureImport(ground, url, file) });
    }
    peak = await peakOf(campanile);
  } finally {
    await campanile.stop();
  }
  const ratio = median(rounds.map(({ copy, imported }) => imported.perSecond / copy));
  console.log(`\nImport of ${ROWS} contacts over HTTP against a bare COPY, ${times} rounds in turn`);
  for (const { copy, imported } of rounds) {
    console.log(
      `  COPY ${copy.toFixed(0)} rows/s   import ${imported.perSecond.toFixed(0)} rows/s (received after ${imported.receivingSeconds.toFixed(1)} s, campaign locked for at most ${imported.lockedMs.toFixed(0)} ms)` +
        `   ratio ${(imported.perSecond / copy).toFixed(3)}`,
    );
  }
  const kept = ratio >= LIMIT && peak <= RSS_LIMIT_MIB;
  console.log(`  median ratio ${ratio.toFixed(3)}, limit ${LIMIT}: ${ratio >= LIMIT ? 'kept' : 'NOT KEPT'}`);
  console.log(
    `  peak resident memory ${peak.toFixed(0)} MiB, limit ${RSS_LIMIT_MIB}: ${peak <= RSS_LIMIT_MIB ? 'kept' : 'NOT KEPT'}`,
  );
  return kept;
}
