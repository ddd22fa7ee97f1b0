import { parseArgs } from 'node:util';
import { messageOf } from '../errors.js';
import { createLog } from '../log.js';
import { type SandboxOptions, startSandboxPbx } from './pbx.js';

// The sandbox PBX as a process of its own:
//
//   node dist/src/sandbox/main.js --spool-dir DIR --run-dir DIR [--instant] [--speed N] [--answer-seconds N]
//     [--ring-seconds N] [--known-trunk NAME]... [--unknown-trunk NAME]... [--max-calls N] [--call-log N]
//     [--log-level LEVEL]
//
// It prints {"ready":true,"pid":...} on stdout when it takes calls, and when it was stopped by SIGTERM or SIGINT
// {"calls":...,"maxConcurrent":...,"cpuSeconds":...}: what a benchmark on the same machine has to leave out of account.
// What cannot be read is a sentence on stderr and exit code 2.

try {
  const pbx = await startSandboxPbx(readOptions(process.argv.slice(2)));
  print({ ready: true, pid: process.pid });
  const stop = async () => {
    await pbx.stop();
    const { user, system } = process.cpuUsage();
    print({ calls: pbx.total, maxConcurrent: pbx.maxConcurrent, cpuSeconds: (user + system) / 1e6 });
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void stop());
} catch (error) {
  process.stderr.write(`cannot start the sandbox: ${messageOf(error)}\n`);
  process.exitCode = 2;
}

function readOptions(args: string[]): SandboxOptions {
  const { values } = parseArgs({
    args,
    options: {
      'spool-dir': { type: 'string' },
      'run-dir': { type: 'string' },
      instant: { type: 'boolean', default: false },
      speed: { type: 'string', default: '1' },
      'answer-seconds': { type: 'string', default: '0.7' },
      'ring-seconds': { type: 'string', default: '2' },
      'known-trunk': { type: 'string', multiple: true },
      'unknown-trunk': { type: 'string', multiple: true, default: [] },
      'max-calls': { type: 'string', default: 'Infinity' },
      'call-log': { type: 'string', default: '0' },
      'log-level': { type: 'string', default: 'info' },
    },
  });
  const spoolDir = values['spool-dir'];
  const runDir = values['run-dir'];
  if (!spoolDir || !runDir) throw new Error('--spool-dir and --run-dir must be given');
  return {
    spoolDir,
    runDir,
    log: createLog(values['log-level']),
    instant: values.instant,
    speed: number('--speed', values.speed, Number.MIN_VALUE),
    answerSeconds: number('--answer-seconds', values['answer-seconds'], 0),
    ringSeconds: number('--ring-seconds', values['ring-seconds'], 0),
    unknownTrunks: values['unknown-trunk'],
    maxCalls: number('--max-calls', values['max-calls'], 0),
    callLog: number('--call-log', values['call-log'], 0),
    ...(values['known-trunk'] ? { knownTrunks: values['known-trunk'] } : {}),
  };
}

function number(flag: string, text: string, least: number): number {
  const value = text === '' ? Number.NaN : Number(text);
  if (!(value >= least)) throw new Error(`${flag} is "${text}", which is no such number`);
  return value;
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
