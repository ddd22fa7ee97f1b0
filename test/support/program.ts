import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import type { Config } from '../../src/config.js';
import { until } from '../../src/lab/condition.js';
import type { Role } from '../../src/main.js';
import { packageRoot } from '../../src/root.js';

const run = promisify(execFile);

/** `campanile serve` as a process of its own. */
export interface Program {
  pid: number;
  /** SIGTERM; resolves with the exit code when it has ended. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
  /** All that it has written to stderr. */
  said(): string;
}

/** Starts the compiled program with `config`, and `more` in its environment; resolves when all of it runs. It is killed when this process ends. */
export async function startProgram(
  config: Config,
  role: Role = 'all',
  more: Record<string, string> = {},
): Promise<Program> {
  await compile();
  const child = spawn(process.execPath, ['dist/src/cli/campanile.js', 'serve', '--role', role], {
    cwd: packageRoot,
    env: { ...environmentOf(config), ...more, PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  const ended = once(child, 'exit').finally(() => process.off('exit', killWithUs));
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const running = () => child.exitCode === null && child.signalCode === null;
  await until(() => !running() || said.includes('the API listens'), { timeoutMs: 30_000 });
  if (!running()) throw new Error(`campanile serve ended with ${child.exitCode}:\n${said}`);
  return {
    pid: child.pid!,
    stop: () => signal(child, 'SIGTERM', ended),
    kill: () => signal(child, 'SIGKILL', ended).then(() => {}),
    said: () => said,
  };
}

async function signal(
  child: ChildProcess,
  name: NodeJS.Signals,
  ended: Promise<unknown>,
): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill(name);
  await ended;
  return child.exitCode;
}

/** Makes dist/ as new as src/. */
export async function compile(): Promise<void> {
  await run(process.execPath, ['scripts/ready.mjs'], { cwd: packageRoot });
}

function environmentOf(config: Config): Record<string, string> {
  const at = ({ host, port }: { host: string; port: number }) => `${host}:${port}`;
  return {
    DATABASE_URL: config.databaseUrl ?? '',
    CAMPANILE_DATA: config.dataDir,
    CAMPANILE_LISTEN: at(config.listen),
    CAMPANILE_METRICS_LISTEN: at(config.metricsListen),
    CAMPANILE_AGI_LISTEN: at(config.agiListen),
    CAMPANILE_SPOOL: config.spoolDir,
    CAMPANILE_ASTERISK_RUN: config.asteriskRunDir,
    CAMPANILE_SPOOL_OWNER: config.spoolOwner ? `${config.spoolOwner.uid}:${config.spoolOwner.gid}` : '',
    CAMPANILE_NODE: config.nodeName,
    CAMPANILE_STOP_GRACE: `${config.stopGraceSeconds}s`,
    CAMPANILE_TEST_MODE: config.testMode,
    // No less: it is known to run by what it says.
    CAMPANILE_LOG_LEVEL: ['trace', 'debug'].includes(config.logLevel) ? config.logLevel : 'info',
  };
}
