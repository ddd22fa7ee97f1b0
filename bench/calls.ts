import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { insertBenchCampaign } from './campaign.js';
import {
  type BenchLine,
  type Child,
  type Ground,
  median,
  startBenchLine,
  startCampanileNode,
  startChild,
} from './line.js';
import { watchRefills } from './refill.js';

const PORTS = 60;
const WARM_UP_MS = 4000;
const WINDOW_MS = 15_000;
const SAMPLE_MS = 50;

interface Window {
  callsPerSecond: number;
  /** Files in outgoing/ as a part of the ports, the mean of samples. */
  utilisation: number;
  /** Milliseconds from a file's leaving outgoing/ to the next one's coming, the median. */
  refillMs: number;
}

/** What the far end saw and how full outgoing/ was, for as long as one contestant runs. */
async function measure(line: BenchLine, start: () => Promise<Child>): Promise<Window> {
  const contestant = await start();
  await sleep(WARM_UP_MS);
  const from = Date.now();
  const refills = watchRefills(join(line.asterisk.spoolDir, 'outgoing'));
  const samples: number[] = [];
  while (Date.now() - from < WINDOW_MS) {
    const files = await readdir(join(line.asterisk.spoolDir, 'outgoing'));
    samples.push(files.filter((name) => name.endsWith('.call')).length);
    await sleep(SAMPLE_MS);
  }
  const to = Date.now();
  const refillMs = median(refills.stop());
  await contestant.stop();
  await untilQuiet(line);
  const ended = (await line.farEnd.calls()).filter(
    (c) => c.endedAt !== null && c.endedAt >= from && c.endedAt < to,
  );
  const mean = samples.reduce((sum, n) => sum + n, 0) / samples.length;
  return { callsPerSecond: (ended.length * 1000) / (to - from), utilisation: mean / PORTS, refillMs };
}

/** The next contestant begins with no calls up. */
async function untilQuiet(line: BenchLine): Promise<void> {
  while ((await readdir(join(line.asterisk.spoolDir, 'outgoing'))).length > 0) await sleep(100);
}

/** Calls per second of Campanile and of the bare script in turn, `times` each, with calls that end in `code`. */
async function compare(
  ground: Ground,
  line: BenchLine,
  code: string,
  perSecondAtMost: number,
  times: number,
) {
  const { asterisk } = line;
  const bare = () =>
    startChild('bench/bare.js', [asterisk.spoolDir, `${PORTS}`, code, `${asterisk.uid}`, `${asterisk.gid}`]);
  const campanile = () => startCampanileNode(ground, asterisk, PORTS);
  const contacts = Math.ceil((perSecondAtMost * (WINDOW_MS + WARM_UP_MS + 10_000)) / 1000) * times;
  const campaign = await insertBenchCampaign(ground.pool, { ports: PORTS, contacts, code, seconds: 3 });
  const rounds: { bare: Window; campanile: Window }[] = [];
  for (let i = 0; i < times; i++) {
    rounds.push({ bare: await measure(line, bare), campanile: await measure(line, campanile) });
  }
  await ground.pool.query("UPDATE campaigns SET status = 'cancelled' WHERE id = $1", [campaign]);
  return rounds;
}

function report(title: string, rounds: { bare: Window; campanile: Window }[], limit: number): boolean {
  const ratio = median(rounds.map((r) => r.campanile.callsPerSecond / r.bare.callsPerSecond));
  console.log(`\n${title}, ${PORTS} ports, ${rounds.length} rounds of ${WINDOW_MS / 1000} s in turn`);
  for (const { bare, campanile } of rounds) {
    console.log(
      `  bare script ${bare.callsPerSecond.toFixed(1)}/s (${(bare.utilisation * 100).toFixed(1)} % of ports)` +
        `   campanile ${campanile.callsPerSecond.toFixed(1)}/s (${(campanile.utilisation * 100).toFixed(1)} %, next file after ${campanile.refillMs.toFixed(1)} ms)` +
        `   ratio ${(campanile.callsPerSecond / bare.callsPerSecond).toFixed(3)}`,
    );
  }
  console.log(`  median ratio ${ratio.toFixed(3)}, limit ${limit}: ${ratio >= limit ? 'kept' : 'NOT KEPT'}`);
  return ratio >= limit;
}

/** Calls per second and port utilisation against a bare script: same Asterisk, same far end, one run. */
export async function benchCalls(ground: Ground, times: number): Promise<boolean> {
  const line = await startBenchLine(ground.dir);
  try {
    const answered = await compare(ground, line, '201', 90, times);
    const answeredKept = report('Answered calls of 0.7 s', answered, 0.9);
    const used = median(answered.map((r) => r.campanile.utilisation));
    console.log(
      `  median port utilisation ${(used * 100).toFixed(1)} %, limit 97: ${used >= 0.97 ? 'kept' : 'NOT KEPT'}`,
    );
    const busyKept = report('Busy calls', await compare(ground, line, '486', 2000, times), 0.7);
    return answeredKept && used >= 0.97 && busyKept;
  } finally {
    await line.stop();
  }
}
