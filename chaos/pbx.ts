import { join } from 'node:path';
import { type AsteriskOptions, startAsterisk } from '../src/lab/asterisk.js';

/** Asterisk in a pid namespace of its own, so that its pid can be chosen. */
export interface LabAsterisk {
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it, by itself with another pid than it had, and resolves when it has fully booted. */
  start(options?: { samePid?: boolean }): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
  /** What `asterisk -rx command` prints. */
  cli(command: string): Promise<string>;
  readonly running: boolean;
  readonly spoolDir: string;
  readonly runDir: string;
  readonly logFile: string;
  readonly uid: number;
  readonly gid: number;
  /** Environment variables for it; what is changed here counts from the next start. */
  readonly env: Record<string, string>;
  stop(): Promise<void>;
}

/** Starts Asterisk as pid 1 of a namespace, as every container does; with another pid it is 2 there, and then 1 again. */
export async function startLabAsterisk(options: AsteriskOptions): Promise<LabAsterisk> {
  let ownPid: 1 | 2 = 1;
  const env: Record<string, string> = {};
  const asterisk = await startAsterisk({ ...options, launch: () => ({ ownPid, env }) });
  return {
    kill: asterisk.kill,
    async start({ samePid = false } = {}) {
      if (!samePid) ownPid = ownPid === 1 ? 2 : 1;
      await asterisk.restart();
    },
    freeze: () => void process.kill(asterisk.pid, 'SIGSTOP'),
    thaw: () => void process.kill(asterisk.pid, 'SIGCONT'),
    cli: asterisk.cli,
    get running() {
      return asterisk.running;
    },
    spoolDir: asterisk.spoolDir,
    runDir: join(asterisk.dir, 'run'),
    logFile: asterisk.logFile,
    uid: asterisk.uid,
    gid: asterisk.gid,
    env,
    stop: asterisk.stop,
  };
}
