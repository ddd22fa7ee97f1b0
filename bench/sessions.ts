import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../src/lab/ports.js';
import { packageRoot } from '../src/root.js';
import { session } from './agi-client.js';
import { type Ground, median } from './line.js';

const OPEN = 1000;
const AT_ONCE = 32;
const WARM_UP_MS = 2_000;
const WINDOW_MS = 8_000;
const PYTHON = '/usr/bin/python3';
const PANORAMISK = '/usr/lib/python3/dist-packages/panoramisk/fast_agi.py';

const CONTESTANTS = {
  campanile: [process.execPath, join(packageRoot, 'dist/bench/sessions-ours.js')],
  'bare ding-dong': [process.execPath, join(packageRoot, 'dist/bench/sessions-ding-dong.js')],
  'panoramisk (Python)': [PYTHON, join(packageRoot, 'bench/sessions-panoramisk.py')],
} as const;
type Name = keyof typeof CONTESTANTS;

interface Figures {
  perSecond: number;
  p99Ms: number;
}

/**
 * FastAGI sessions a second and how long they take, while a thousand others are open: our server, the bare library below it,
 * and one of another language. No limit: it shows what the wrapper costs.
 */
export async function benchSessions(_ground: Ground, times: number): Promise<boolean> {
  const names = (Object.keys(CONTESTANTS) as Name[]).filter(isThere);
  const rounds: Record<string, Figures>[] = [];
  for (let i = 0; i < times; i++) {
    const round: Record<string, Figures> = {};
    for (const name of names) round[name] = await measure(name);
    rounds.push(round);
  }
  console.log(
    `\nFastAGI sessions of two commands, ${OPEN} others open, ${AT_ONCE} at a time, ${times} rounds in turn`,
  );
  const middle = (name: Name, key: keyof Figures) => median(rounds.map((round) => round[name]![key]));
  for (const name of names) {
    const ratio = middle(name, 'perSecond') / middle('bare ding-dong', 'perSecond');
    console.log(
      `  ${name.padEnd(20)} ${middle(name, 'perSecond').toFixed(0)} sessions/s (${ratio.toFixed(2)} of ding-dong), p99 ${middle(name, 'p99Ms').toFixed(1)} ms`,
    );
  }
  return true;
}

function isThere(name: Name): boolean {
  if (name !== 'panoramisk (Python)' || existsSync(PANORAMISK)) return true;
  console.log('without panoramisk, which is not installed: apt-get install python3-panoramisk');
  return false;
}

async function measure(name: Name): Promise<Figures> {
  const port = await freePort('tcp');
  const [program, file] = CONTESTANTS[name];
  const server = spawn(program, [file, `${port}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const gone = once(server, 'exit');
  try {
    await untilItAnswers(port);
    const closes: (() => void)[] = [];
    while (closes.length < OPEN) {
      closes.push(...(await Promise.all(Array.from({ length: 50 }, () => session(port, true)))));
    }
    await load(port, WARM_UP_MS);
    const took = (await load(port, WINDOW_MS)).sort((a, b) => a - b);
    for (const close of closes) close();
    return {
      perSecond: took.length / (WINDOW_MS / 1000),
      p99Ms: took[Math.ceil(took.length * 0.99) - 1]!,
    };
  } finally {
    server.kill('SIGTERM');
    await gone;
  }
}

async function untilItAnswers(port: number): Promise<void> {
  for (;;) {
    try {
      await session(port);
      return;
    } catch {
      await sleep(50);
    }
  }
}

/** Sessions one behind the other, AT_ONCE at a time; how many milliseconds each took. */
async function load(port: number, ms: number): Promise<number[]> {
  const until = performance.now() + ms;
  const took: number[] = [];
  const caller = async () => {
    while (performance.now() < until) took.push(await session(port));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return took;
}
