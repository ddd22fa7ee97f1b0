import { mkdir, open, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { CampanileError } from '../errors.js';
import { tailOf, until } from './condition.js';
import { confine, end } from './confine.js';
import { type FarEndCall, FarEndLog, type FarEndRegister } from './far-end-log.js';
import type { Image } from './image.js';
import { freePort, refusePortInUse, udpPortInUse } from './ports.js';
import type { Account } from './sipp-accounts.js';
import { renderScenario } from './sipp-scenario.js';

export interface FarEndOptions {
  image: Image;
  /** The far end's own directory, made when missing: its scenario and its log. */
  dir: string;
  /** UDP port of 127.0.0.1 that it listens on: see `freePort`. */
  port: number;
  /** Code 201: seconds from answer to the far end's own hang-up. */
  answerSeconds?: number;
  /** Code 202: seconds of ringing before the answer. */
  ringSeconds?: number;
  /** What it does with every call, by code; without it, as each number says. */
  always?: number;
  /** A header of the INVITE that each call's `mark` is; not together with `accounts`. */
  loggedHeader?: string;
  /** Who may call and register, by digest; without them everybody may call and nobody register. */
  accounts?: readonly Account[];
  /** Write every SIP packet to messages.log in `dir`. For finding faults: it grows by 3 kB a call. */
  trace?: boolean;
  /** Keep it running when this process dies; by default it is killed then. */
  outliveUs?: boolean;
}

/** The people called: a SIPp that answers each call as the last three digits of its number say (`renderScenario`). */
export interface FarEnd {
  /** 'host:port', as `startAsterisk` takes it in `farEnds`. */
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  readonly running: boolean;
  readonly logFile: string;
  /** Every call seen since the start, read up to the log's present end; each call reads only what is new. */
  calls(): Promise<FarEndCall[]>;
  /** Every REGISTER with credentials since the start. */
  registers(): Promise<FarEndRegister[]>;
  /** Ends it, and with it calls that are going on. May be called twice. */
  stop(): Promise<void>;
  /** SIGKILL: it falls silent in the middle of calls. */
  kill(): Promise<void>;
}

/** Starts a far end and resolves when it listens. Throws a CampanileError with what SIPp said when it does not. */
export async function startFarEnd(options: FarEndOptions): Promise<FarEnd> {
  const { image, port, answerSeconds = 0.7, ringSeconds = 2, accounts, always, loggedHeader } = options;
  await refusePortInUse(port);
  await mkdir(options.dir, { recursive: true });
  const dir = await realpath(options.dir);
  const scenario = join(dir, 'scenario.xml');
  const logFile = join(dir, 'calls.log');
  const outputFile = join(dir, 'console.log');
  await writeFile(
    scenario,
    renderScenario({
      answerSeconds,
      ringSeconds,
      ...(accounts ? { accounts } : {}),
      ...(always === undefined ? {} : { always }),
      ...(loggedHeader ? { loggedHeader } : {}),
    }),
  );
  for (const file of [logFile, outputFile]) await writeFile(file, '');

  const program = await confine({
    imageRoot: image.root,
    binds: [dir],
    command: [
      'sipp',
      ...(await sippArguments({ scenario, logFile, port, trace: options.trace ? dir : null })),
    ],
    outputFile,
    outliveUs: options.outliveUs ?? false,
  });
  const listens = await until(async () => !program.running || (await udpPortInUse(port)), {
    timeoutMs: 10_000,
  });
  if (!listens || !program.running) {
    await end(program, 'SIGKILL', 0);
    throw new CampanileError(
      'far_end_start',
      `sipp in ${dir} does not listen on ${port}:\n${await tailOf(outputFile)}`,
    );
  }

  const readLog = logReader(logFile);
  return {
    address: `127.0.0.1:${port}`,
    port,
    pid: program.pid,
    get running() {
      return program.running;
    },
    logFile,
    calls: async () => (await readLog()).calls(),
    registers: async () => (await readLog()).registers(),
    stop: () => end(program, 'SIGTERM', 2_000),
    kill: () => end(program, 'SIGKILL', 0),
  };
}

async function sippArguments(files: {
  scenario: string;
  logFile: string;
  port: number;
  trace: string | null;
}): Promise<string[]> {
  const media = await freePort('udp');
  const control = await freePort('udp');
  const trace = files.trace ? ['-trace_msg', '-message_file', join(files.trace, 'messages.log')] : [];
  return [
    ...['-sf', files.scenario, '-trace_logs', '-log_file', files.logFile, ...trace],
    ...['-i', '127.0.0.1', '-p', String(files.port), '-mi', '127.0.0.1', '-mp', String(media)],
    ...['-ci', '127.0.0.1', '-cp', String(control)],
    ...['-nostdin', '-aa', '-l', '1000000', '-timer_resol', '1', '-buff_size', '8388608'],
    // Its screen goes to console.log: once at the start and once, with all counters, at the end.
    ...['-f', '86400'],
    // SIPp ends itself after some seconds in which a loaded machine gave it no time; ours has to last.
    ...['-watchdog_interval', '0'],
  ];
}

/** Reads a growing log; callers at the same time share one reading. */
function logReader(logFile: string): () => Promise<FarEndLog> {
  const log = new FarEndLog();
  const decoder = new StringDecoder('utf8');
  let offset = 0;
  let reading: Promise<void> = Promise.resolve();

  async function readOn(): Promise<void> {
    const file = await open(logFile);
    try {
      const buffer = Buffer.alloc(1024 * 1024);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) return;
        offset += bytesRead;
        log.push(decoder.write(buffer.subarray(0, bytesRead)));
      }
    } finally {
      await file.close();
    }
  }

  return async () => {
    reading = reading.then(readOn, readOn);
    await reading;
    return log;
  };
}
