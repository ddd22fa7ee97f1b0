import { insertBenchCampaign } from './campaign.js';
import { type Ground, median } from './line.js';
import { startApiServer } from './server.js';
import { createVerdict } from './verdict.js';

const MANY = 1_000_000;
const FEW = 250_000;
const LEAST_RATIO = 0.1;
/** How much more memory four times as many rows may take. */
const GROWTH_LIMIT_MIB = 32;
const KINDS = ['attempts csv', 'attempts ndjson', 'contacts csv', 'contacts ndjson'] as const;

interface Source {
  rows: number;
  tenant: string;
  campaign: string;
}

/** A campaign with one ended attempt at each of its contacts. */
async function insertAttempts(ground: Ground, rows: number): Promise<Source> {
  const campaign = await insertBenchCampaign(ground.pool, {
    ports: 0,
    contacts: rows,
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
  const found = await ground.pool.query('SELECT tenant_id FROM campaigns WHERE id = $1', [campaign]);
  return { rows, tenant: found.rows[0].tenant_id, campaign };
}

/** Rows per second of the same rows as Postgres itself writes them. */
async function copy(ground: Ground, kind: string, { campaign, rows }: Source): Promise<number> {
  const [table] = kind.split(' ');
  const from = performance.now();
  await ground.pool.query(
    `COPY (SELECT * FROM ${table} WHERE campaign_id = '${campaign}' ORDER BY id) TO '/dev/null' WITH (FORMAT csv, HEADER)`,
  );
  return (rows * 1000) / (performance.now() - from);
}

interface Exported {
  perSecond: number;
  peakMib: number;
}

/** Reads an export of a fresh server as fast as it comes. */
async function measureExport(ground: Ground, kind: string, source: Source): Promise<Exported> {
  const [table, format] = kind.split(' ');
  const server = await startApiServer(ground);
  try {
    const from = performance.now();
    const response = await fetch(
      `${server.url}/v1/campaigns/${source.campaign}/${table}/export?format=${format}`,
      { headers: { Authorization: server.authorization(source.tenant) } },
    );
    let lines = 0;
    for await (const chunk of response.body! as AsyncIterable<Uint8Array>) {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
    }
    const seconds = (performance.now() - from) / 1000;
    const expected = source.rows + (format === 'csv' ? 1 : 0);
    if (lines !== expected) throw new Error(`the export has ${lines} lines and not ${expected}`);
    return { perSecond: source.rows / seconds, peakMib: await server.peakMib() };
  } finally {
    await server.stop();
  }
}

/** Exports of a million rows and of a quarter of them: rows per second against a bare COPY TO, and the server's memory. */
export async function benchExport(ground: Ground, times: number): Promise<boolean> {
  const sources = [await insertAttempts(ground, FEW), await insertAttempts(ground, MANY)];
  const measured = new Map<string, { ratio: number; peakMib: number }[]>();
  console.log(`\nExport over HTTP, ${times} rounds in turn with COPY TO of the same rows as CSV`);
  for (let i = 0; i < times; i++) {
    for (const kind of KINDS) {
      for (const source of sources) {
        const bare = await copy(ground, kind, source);
        const { perSecond, peakMib } = await measureExport(ground, kind, source);
        const key = `${source.rows} ${kind}`;
        measured.set(key, [...(measured.get(key) ?? []), { ratio: perSecond / bare, peakMib }]);
        console.log(
          `  ${key}: COPY TO ${bare.toFixed(0)} rows/s   export ${perSecond.toFixed(0)} rows/s` +
            `   ratio ${(perSecond / bare).toFixed(3)}, peak ${peakMib.toFixed(0)} MiB`,
        );
      }
    }
  }
  const verdict = createVerdict();
  for (const kind of KINDS) {
    const [few, many] = [FEW, MANY].map((rows) => measured.get(`${rows} ${kind}`)!);
    const ratio = median(many!.map((round) => round.ratio));
    verdict.say(`median ratio of ${kind} ${ratio.toFixed(3)}, limit ${LEAST_RATIO}`, ratio >= LEAST_RATIO);
    const [small, large] = [few!, many!].map((rounds) => median(rounds.map((round) => round.peakMib)));
    verdict.say(
      `memory of ${kind}: ${FEW} rows ${small!.toFixed(0)} MiB, ${MANY} ${large!.toFixed(0)} MiB, limit ${GROWTH_LIMIT_MIB} MiB more`,
      large! - small! <= GROWTH_LIMIT_MIB,
    );
  }
  return verdict.isKept;
}
