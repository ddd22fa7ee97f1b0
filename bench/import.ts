import { createReadStream, createWriteStream } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { newId } from '../src/ids.js';
import { insertBenchCampaign } from './campaign.js';
import { type Ground, median } from './line.js';
import { startApiServer } from './server.js';
import { createVerdict } from './verdict.js';

const ROWS = 1_000_000;
const FEW = 250_000;
const LIMIT = 0.4;
const RSS_LIMIT_MIB = 200;
/** How much more memory four times as many rows may take. */
const GROWTH_LIMIT_MIB = 32;

/** A list of contacts: how its numbers are written, and what they are. All of them differ and are in no order. */
interface List {
  name: string;
  rows: number;
  region: string | null;
  written(i: number): string;
  number(i: number): string;
}

// 7919 shares no factor with either.
const american = (i: number) => `212${2_000_000 + ((i * 7919) % 8_000_000)}`;
const german = (i: number) => 20_000_000 + ((i * 7919) % 80_000_000);
const e164 = {
  region: null,
  written: (i: number) => `+1${american(i)}`,
  number: (i: number) => `+1${american(i)}`,
};
const LISTS: readonly List[] = [
  { name: 'E.164', rows: ROWS, ...e164 },
  { name: 'E.164', rows: FEW, ...e164 },
  {
    name: '0151 23456789',
    rows: ROWS,
    region: 'DE',
    written: (i) => `0151 ${german(i)}`,
    number: (i) => `+49151${german(i)}`,
  },
  {
    name: '(212) 555-2671',
    rows: ROWS,
    region: 'US',
    written: (i) => american(i).replace(/(...)(...)(....)/, '($1) $2-$3'),
    number: (i) => `+1${american(i)}`,
  },
];

async function writeLines(
  path: string,
  header: string,
  count: number,
  lineOf: (i: number) => string,
): Promise<void> {
  function* lines() {
    yield header;
    for (let from = 0; from < count; from += 1000)
      yield Array.from({ length: 1000 }, (_, i) => lineOf(from + i)).join('');
  }
  await pipeline(Readable.from(lines()), createWriteStream(path));
}

interface Target {
  tenant: string;
  campaign: string;
}

/** A campaign that runs, in a table that is otherwise empty. */
async function freshCampaign({ pool }: Ground, region: string | null): Promise<Target> {
  await pool.query('TRUNCATE contacts CASCADE');
  const campaign = await insertBenchCampaign(pool, { ports: 0, contacts: 0, code: '201', seconds: 1 });
  const { rows } = await pool.query(
    `UPDATE tenants t SET default_region = $2 FROM campaigns c WHERE c.id = $1 AND t.id = c.tenant_id
      RETURNING c.tenant_id`,
    [campaign, region],
  );
  await pool.query('CHECKPOINT');
  return { campaign, tenant: rows[0].tenant_id };
}

/** Rows per second of COPY of a file that is ready. */
async function measureCopy(ground: Ground, list: List): Promise<number> {
  const { tenant, campaign } = await freshCampaign(ground, list.region);
  const file = join(ground.dir, 'contacts.copy');
  const fields = (i: number) => JSON.stringify({ name: `Ada ${i}`, city: 'Berlin' });
  await writeLines(
    file,
    '',
    list.rows,
    (i) =>
      `${tenant}\t${newId()}\t${campaign}\t${list.number(i)}\tEurope/Berlin\tEurope/Berlin\t${fields(i)}\n`,
  );
  const client = await ground.pool.connect();
  try {
    const from = performance.now();
    const copy = 'COPY contacts (tenant_id, id, campaign_id, number, time_zone, zones, fields) FROM STDIN';
    await pipeline(createReadStream(file), client.query(copyFrom(copy)));
    return (list.rows * 1000) / (performance.now() - from);
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
  peakMib: number;
}

/** Rows per second of an import over HTTP into a server of its own, from the first byte until it is completed. */
async function measureImport(ground: Ground, list: List): Promise<Measured> {
  const file = join(ground.dir, 'contacts.csv');
  const header = 'number,name,city,time_zone\n';
  await writeLines(file, header, list.rows, (i) => `${list.written(i)},Ada ${i},Berlin,Europe/Berlin\n`);
  const { tenant, campaign } = await freshCampaign(ground, list.region);
  const campanile = await startApiServer(ground);
  const { url } = campanile;
  const authorization = campanile.authorization(tenant);
  try {
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
      if (job.state === 'completed' && job.added === list.rows) break;
      if (job.state !== 'storing') throw new Error(`the import ended as ${JSON.stringify(job)}`);
      await sleep(50);
    }
    const done = performance.now();
    return {
      perSecond: (list.rows * 1000) / (done - from),
      receivingSeconds: (received - from) / 1000,
      lockedMs: await watch(),
      peakMib: await campanile.peakMib(),
    };
  } finally {
    await campanile.stop();
  }
}

interface Outcome {
  list: List;
  rounds: { ratio: number; peakMib: number }[];
}

/** A million contacts over HTTP against a bare COPY of the same rows into the same table, and a quarter of them. */
export async function benchImport(ground: Ground, times: number): Promise<boolean> {
  const outcomes: Outcome[] = LISTS.map((list) => ({ list, rounds: [] }));
  console.log(`\nImport of contacts over HTTP against a bare COPY, ${times} rounds in turn`);
  for (let i = 0; i < times; i++) {
    for (const { list, rounds } of outcomes) {
      const copy = await measureCopy(ground, list);
      const { perSecond, receivingSeconds, lockedMs, peakMib } = await measureImport(ground, list);
      rounds.push({ ratio: perSecond / copy, peakMib });
      console.log(
        `  ${list.rows} as ${list.name}: COPY ${copy.toFixed(0)} rows/s   import ${perSecond.toFixed(0)} rows/s` +
          ` (received after ${receivingSeconds.toFixed(1)} s, campaign locked for at most ${lockedMs.toFixed(0)} ms)` +
          `   ratio ${(perSecond / copy).toFixed(3)}, peak ${peakMib.toFixed(0)} MiB`,
      );
    }
  }
  return judge(outcomes);
}

function judge(outcomes: readonly Outcome[]): boolean {
  const verdict = createVerdict();
  const peakOfRows = (rows: number) =>
    median(outcomes.filter(({ list }) => list.rows === rows).flatMap((o) => o.rounds.map((r) => r.peakMib)));
  for (const { list, rounds } of outcomes.filter((outcome) => outcome.list.rows === ROWS)) {
    const ratio = median(rounds.map((round) => round.ratio));
    verdict.say(`median ratio of ${list.name} ${ratio.toFixed(3)}, limit ${LIMIT}`, ratio >= LIMIT);
  }
  const highest = Math.max(...outcomes.flatMap(({ rounds }) => rounds.map((round) => round.peakMib)));
  verdict.say(
    `highest resident memory ${highest.toFixed(0)} MiB, limit ${RSS_LIMIT_MIB}`,
    highest <= RSS_LIMIT_MIB,
  );
  const [few, many] = [peakOfRows(FEW), peakOfRows(ROWS)];
  verdict.say(
    `median of ${FEW} rows ${few.toFixed(0)} MiB, of ${ROWS} ${many.toFixed(0)} MiB (${(many / few).toFixed(2)} times), limit ${GROWTH_LIMIT_MIB} MiB more`,
    many - few <= GROWTH_LIMIT_MIB,
  );
  return verdict.isKept;
}
