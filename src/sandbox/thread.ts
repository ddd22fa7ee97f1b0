import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../log.js';
import { packageRoot } from '../root.js';

/** What the sandbox PBX of test campaigns is told. */
export interface SandboxThreadOptions {
  spoolDir: string;
  runDir: string;
  /** Where its node's FastAGI listens. */
  agiUrl: string;
  /** How many times as fast as real time pretended time runs. */
  speed: number;
  logLevel: string;
}

export interface SandboxThread {
  /** Hangs up all calls, and resolves when the PBX has ended. May be called twice. */
  stop(): Promise<void>;
}

const AGAIN_MS = 1_000;
/** Compiled, from src as well: Node loads no TypeScript into a thread. */
const PROGRAM = join(packageRoot, 'dist', 'src', 'sandbox', 'worker.js');

/**
 * Runs the sandbox PBX in a thread of its own: neither its work on files nor a fault of it can keep a real call waiting, and it
 * ends with the process. One that dies is started again, as an Asterisk would be. Resolves when it takes calls.
 */
export function startSandboxThread(options: SandboxThreadOptions, log: Logger): Promise<SandboxThread> {
  let worker: Worker;
  let timer: NodeJS.Timeout | undefined;
  let stopping: Promise<void> | undefined;

  function begin(onReady: () => void): void {
    worker = new Worker(PROGRAM, { workerData: options, execArgv: [] });
    worker.once('message', onReady);
    worker.on('error', (error) => log.error({ err: error }, 'the sandbox PBX failed'));
    worker.once('exit', () => {
      if (stopping) return;
      log.error('the sandbox PBX has ended and is started again');
      timer = setTimeout(() => begin(onReady), AGAIN_MS);
    });
  }

  async function stop(): Promise<void> {
    clearTimeout(timer);
    if (worker.threadId < 0) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage('stop');
    await ended;
  }

  const thread: SandboxThread = {
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
  return new Promise((resolve) => begin(() => resolve(thread)));
}
