import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../src/lab/ports.js';
import { insertBenchCampaign } from './campaign.js';
import { type Ground, median, startChild } from './line.js';

const PORTS = 100;
const FEW = 1_000;
const MANY = 1_000_000;
const WARM_UP_MS = 3000;
const WINDOW_MS = 10_000;

/**
 * A campaign of `contacts` that are all due, and stay so: each is busy and due again at once, behind all others. So the
 * claim always finds the same number due. They are due in the order in which they were uploaded, as contacts are.
 */
async function insertDueForEver(ground: Ground, contacts: number): Promise<string> {
  const campaign = await insertBenchCampaign(ground.pool, {
    ports: PORTS,
    contacts,
    code: '486',
    seconds: 1,
  });
  await ground.pool.query(
    `UPDATE campaigns SET status = 'paused', retry = '{"busy": "0s*100"}', max_attempts = 100 WHERE id = $1`,
    [campaign],
  );
  await ground.pool.query(
    `UPDATE contacts c SET state = 'retrying', due_at = now() - interval '1 day' + o.n * interval '1 ms'
      FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM contacts WHERE campaign_id = $1) AS o
      WHERE c.campaign_id = $1 AND c.id = o.id`,
    [campaign],
  );
  await ground.pool.query('VACUUM ANALYZE contacts');
  await ground.pool.query('VACUUM ANALYZE campaigns');
  return campaign;
}

/** Attempts per second that are claimed, placed and finished while `campaign` runs. */
async function measure(ground: Ground, campaign: string): Promise<number> {
  const ended = async () => {
    const { rows } = await ground.pool.query(
      'SELECT attempts - calling AS ended FROM campaigns WHERE id = $1',
      [campaign],
    );
    return { at: performance.now(), ended: rows[0].ended as number };
  };
  await setStatus(ground, campaign, 'running');
  await sleep(WARM_UP_MS);
  const first = await ended();
  await sleep(WINDOW_MS);
  const last = await ended();
  await setStatus(ground, campaign, 'paused');
  return ((last.ended - first.ended) * 1000) / (last.at - first.at);
}

async function setStatus(ground: Ground, campaign: string, status: string): Promise<void> {
  await ground.pool.query('UPDATE campaigns SET status = $2 WHERE id = $1', [campaign, status]);
  await ground.pool.query("SELECT pg_notify('campanile_due', '')");
  await sleep(1000);
}

/** Claim and finish against the sandbox PBX, with few and with many contacts due. */
export async function benchClaim(ground: Ground, times: number): Promise<boolean> {
  const spool = join(ground.dir, 'spool');
  const run = join(ground.dir, 'run');
  await mkdir(join(spool, 'outgoing'), { recursive: true });
  await mkdir(join(spool, 'outgoing_done'), { recursive: true });
  await mkdir(run, { recursive: true });
  const few = await insertDueForEver(ground, FEW);
  const many = await insertDueForEver(ground, MANY);
  const agiPort = await freePort('tcp');
  const sandbox = await startChild('src/sandbox/main.js', [
    '--spool-dir',
    spool,
    '--run-dir',
    run,
    '--instant',
    '--log-level',
    'error',
  ]);
  const campanile = await startChild('src/cli/campanile.js', ['serve', '--role', 'node'], {
    DATABASE_URL: ground.url,
    CAMPANILE_DATA: join(ground.dir, 'data'),
    CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
    CAMPANILE_AGI_LISTEN: `127.0.0.1:${agiPort}`,
    CAMPANILE_SPOOL: spool,
    CAMPANILE_ASTERISK_RUN: run,
    CAMPANILE_NODE_PORTS: `${PORTS}`,
    CAMPANILE_LOG_LEVEL: 'error',
  });
  const rounds: { few: number; many: number }[] = [];
  try {
    for (let i = 0; i < times; i++)
      rounds.push({ few: await measure(ground, few), many: await measure(ground, many) });
  } finally {
    await campanile.stop();
    await sandbox.stop();
  }
  const ratio = median(rounds.map((r) => r.many / r.few));
  console.log(
    `\nClaim and finish against the sandbox PBX, ${PORTS} ports, ${times} rounds of ${WINDOW_MS / 1000} s in turn`,
  );
  for (const { few, many } of rounds) {
    console.log(
      `  1,000 due ${few.toFixed(0)}/s   1,000,000 due ${many.toFixed(0)}/s   ratio ${(many / few).toFixed(3)}`,
    );
  }
  console.log(`  median ratio ${ratio.toFixed(3)}, limit 0.9: ${ratio >= 0.9 ? 'kept' : 'NOT KEPT'}`);
  return ratio >= 0.9;
}
