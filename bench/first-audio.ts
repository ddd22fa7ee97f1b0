import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AsteriskInstance } from '../src/lab/asterisk.js';
import type { HeardCall } from '../src/lab/phone/heard.js';
import { type Phones, startPhones } from '../src/lab/phone/phones.js';
import type { Script } from '../src/lab/phone/script.js';
import { freePort } from '../src/lab/ports.js';
import { toneWav } from '../src/messages/tone.js';
import { insertBenchCampaign } from './campaign.js';
import {
  type Child,
  type Ground,
  median,
  startBenchAsterisk,
  startCampanileNode,
  startChild,
} from './line.js';
import { createVerdict } from './verdict.js';

// Some of the calls ring: 100 and more are talked on.
const PORTS = 110;
const WARM_UP_MS = 15_000;
const WINDOW_MS = 30_000;
const MESSAGE_SECONDS = 30;
const MEDIAN_MS = 20;
const P99_MS = 100;

/** Whoever is called listens for 5 to 14 s, by the last digit of the number, so that calls come one by one. */
const SCRIPTS: Script[] = Array.from({ length: 10 }, (_, digit) => ({
  number: `*${digit}`,
  ringMs: 100 * digit,
  steps: [{ wait: 5000 + 1000 * digit }, { hangUp: true }],
}));

interface Window {
  /** Milliseconds from a phone's 200 OK to the first audio packet that it gets, in order; infinite where none came. */
  waits: number[];
  /** Fewest calls that were up when one was answered. */
  up: number;
  /** Between two packets of a call, the milliseconds more or less than 20, in order. */
  jitter: number[];
  /** Of a core, that the phones took. */
  phonesCpu: number;
}

/** What the phones saw while one contestant ran. */
async function measure(
  asterisk: AsteriskInstance,
  phones: Phones,
  start: () => Promise<Child>,
): Promise<Window> {
  const contestant = await start();
  await sleep(WARM_UP_MS);
  const from = Date.now();
  const cpuBefore = cpuMs(phones.pid);
  await sleep(WINDOW_MS);
  const to = Date.now();
  const phonesCpu = (cpuMs(phones.pid) - cpuBefore) / (to - from);
  await contestant.stop();
  while ((await readdir(join(asterisk.spoolDir, 'outgoing'))).length > 0) await sleep(100);
  const calls = await phones.calls();
  await phones.forget();
  const answered = calls.filter(({ answeredAt }) => answeredAt && answeredAt >= from && answeredAt < to);
  return {
    waits: answered.map(waitOf).sort((a, b) => a - b),
    up: Math.min(...answered.map(({ answeredAt }) => upAt(calls, answeredAt!))),
    jitter: answered.flatMap(jitterOf).sort((a, b) => a - b),
    phonesCpu,
  };
}

/** Milliseconds of a core that a process has used so far. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  // utime and stime in hundredths of a second: proc(5).
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function jitterOf({ heard: { at } }: HeardCall): number[] {
  return Array.from(at.subarray(1), (time, i) => Math.abs(time - at[i]! - 20));
}

function waitOf({ answeredAt, firstAudioAt }: HeardCall): number {
  return firstAudioAt === null ? Number.POSITIVE_INFINITY : firstAudioAt - answeredAt!;
}

function upAt(calls: readonly HeardCall[], at: number): number {
  return calls.filter((c) => c.answeredAt && c.answeredAt <= at && (c.endedAt ?? Infinity) > at).length;
}

/** The value that 99 of 100 are not above. */
function p99(sorted: readonly number[]): number {
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}

function say(name: string, { waits, up, jitter, phonesCpu }: Window): void {
  const figures = `median ${median(waits).toFixed(1)} ms, p99 ${p99(waits).toFixed(1)} ms, most ${waits.at(-1)?.toFixed(1)} ms`;
  console.log(`  ${name} ${figures}, of ${waits.length} calls with ${up} or more up`);
  const phones = `phones took ${(phonesCpu * 100).toFixed(0)} % of a core`;
  console.log(
    `    ${jitter.length} packets, 99 % within ${p99(jitter).toFixed(1)} ms of their 20 ms; ${phones}`,
  );
}

/** How long whoever answers waits for the first sound, with 100 calls up, against a bare FastAGI script in the same run. */
export async function benchFirstAudio(ground: Ground, times: number): Promise<boolean> {
  const phones = await startPhones({ scripts: SCRIPTS, sendSilence: false });
  const agiPort = await freePort('tcp');
  const asterisk = await startBenchAsterisk(ground.dir, phones.address, `AGI(agi://127.0.0.1:${agiPort}/)`);
  try {
    const sound = join(asterisk.spoolDir, 'bare');
    await writeFile(`${sound}.wav`, toneWav(MESSAGE_SECONDS));
    const { uid, gid, spoolDir } = asterisk;
    const bare = async () => {
      const agi = await startChild('bench/bare-agi.js', [`${agiPort}`, sound]);
      const caller = await startChild('bench/bare.js', [spoolDir, `${PORTS}`, '', `${uid}`, `${gid}`]);
      return {
        pid: agi.pid,
        async stop() {
          await caller.stop();
          // Calls made already are answered and heard to their end.
          while ((await readdir(join(spoolDir, 'outgoing'))).length > 0) await sleep(100);
          await agi.stop();
        },
      };
    };
    await insertBenchCampaign(ground.pool, {
      ports: PORTS,
      contacts: 20_000,
      code: '',
      seconds: MESSAGE_SECONDS,
    });
    const rounds: { bare: Window; campanile: Window }[] = [];
    for (let i = 0; i < times; i++) {
      rounds.push({
        bare: await measure(asterisk, phones, bare),
        campanile: await measure(asterisk, phones, () => startCampanileNode(ground, asterisk, PORTS)),
      });
    }
    return report(rounds);
  } finally {
    await asterisk.stop();
    await phones.stop();
  }
}

function report(rounds: readonly { bare: Window; campanile: Window }[]): boolean {
  console.log(
    `\nFirst audio after the answer, ${PORTS} ports, ${rounds.length} rounds of ${WINDOW_MS / 1000} s in turn`,
  );
  for (const { bare, campanile } of rounds) {
    say('bare script', bare);
    say('campanile  ', campanile);
  }
  const verdict = createVerdict();
  const middle = median(rounds.map(({ campanile }) => median(campanile.waits)));
  const late = median(rounds.map(({ campanile }) => p99(campanile.waits)));
  verdict.say(`median ${middle.toFixed(1)} ms, limit ${MEDIAN_MS}`, middle <= MEDIAN_MS);
  verdict.say(`p99 ${late.toFixed(1)} ms, limit ${P99_MS}`, late <= P99_MS);
  return verdict.isKept;
}
