import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tailOf, until } from '../src/lab/condition.js';
import type { ChaosBuild } from './build.js';

/** `campanile serve` of the chaos build, as a process of its own. */
export interface CampanileProgram {
  /** Starts it, again and again as a service manager does while it ends by itself; resolves when all of it runs. */
  start(): Promise<void>;
  /** Starts it, and resolves when all of it runs; throws with what it said when it ends instead. */
  startOnce(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Null while it does not run. */
  readonly pid: number | null;
  /** Environment variables beside those of the lab; what is changed here counts from the next start. */
  readonly env: Record<string, string>;
  /** It kills itself with SIGKILL when it passes the fail point `name` for the `nth` time from now. */
  arm(name: string, nth: number): Promise<void>;
  /** Takes that back; false when it had been passed. */
  disarm(): boolean;
  /** Called whenever it ends without our having asked for it. */
  onEnd: (reason: string) => void;
  /** What it has written to stderr, all starts together. */
  readonly logFile: string;
}

const START_MS = 60_000;
const PATIENCE_MS = 180_000;
/** systemd's RestartSec, by default. */
const AGAIN_MS = 100;
/** What it says last when it starts. */
const RUNS = '"the API listens"';

/** A Campanile to be started with `env`; its files lie in `dir`. */
export function createCampanile(
  build: ChaosBuild,
  dir: string,
  lab: Record<string, string>,
): CampanileProgram {
  const logFile = join(dir, 'campanile.log');
  const armed = join(dir, 'fail-point');
  const env: Record<string, string> = {};
  let child: ChildProcess | null = null;
  let asked = false;

  function killWithUs(): void {
    child?.kill('SIGKILL');
  }
  process.on('exit', killWithUs);

  async function end(name: NodeJS.Signals): Promise<number | null> {
    const ending = child;
    if (!ending) return null;
    asked = true;
    const gone = once(ending, 'exit');
    ending.kill(name);
    await gone;
    return ending.exitCode;
  }

  const program: CampanileProgram = {
    async start() {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        try {
          return await program.startOnce();
        } catch (error) {
          if (Date.now() > deadline) throw error;
          await sleep(AGAIN_MS);
        }
      }
    },
    async startOnce() {
      if (child) return;
      const starting = spawn(process.execPath, ['--import', build.preload, build.program, 'serve'], {
        env: { PATH: process.env.PATH ?? '', FAIL_POINT_FILE: armed, ...lab, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child = starting;
      asked = false;
      let runs = false;
      starting.once('exit', (code, signal) => {
        child = null;
        if (runs && !asked) program.onEnd(signal ?? `exit code ${code}`);
      });
      let said = '';
      starting.stderr.on('data', (chunk: Buffer) => {
        if (said.length < 100_000) said += chunk;
      });
      starting.stderr.pipe(createWriteStream(logFile, { flags: 'a' }));
      await until(() => !child || said.includes(RUNS), { timeoutMs: START_MS });
      runs = child === starting && said.includes(RUNS);
      if (runs) return;
      starting.kill('SIGKILL');
      throw new Error(`campanile did not start:\n${await tailOf(logFile)}`);
    },
    async kill() {
      await end('SIGKILL');
    },
    stop: () => end('SIGTERM'),
    get pid() {
      return child?.pid ?? null;
    },
    env,
    async arm(name, nth) {
      await writeFile(`${armed}.new`, `${name}\n${nth}\n`);
      await rename(`${armed}.new`, armed);
    },
    disarm() {
      const still = existsSync(armed);
      rmSync(armed, { force: true });
      return still;
    },
    onEnd: () => {},
    logFile,
  };
  return program;
}
