import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { CampanileError } from '../../errors.js';
import { packageRoot } from '../../root.js';
import { freePort } from '../ports.js';
import type { CodecName } from './codec.js';
import { type HeardCall, heardCall } from './heard.js';
import type { CallRecord } from './record.js';
import type { Script } from './script.js';

export interface PhonesOptions {
  /** UDP port of 127.0.0.1 for SIP; a free one unless given. */
  port?: number;
  /** What they speak: PCMU unless given. Keys are RFC 4733 events always. */
  codec?: CodecName;
  /** Send silence whenever they say nothing, as telephones do: true unless given. AMD() cannot tell time without packets. */
  sendSilence?: boolean;
  /** Longest that a phone stays on a call, in milliseconds: two minutes unless given. */
  limitMs?: number;
  /** What they do with calls; the first that fits a number counts. A number without one answers and listens. */
  scripts?: readonly Script[];
}

/** The people called, with ears and mouths: they answer each call as its script says and keep what they heard. */
export interface Phones {
  /** 'host:port', as `startAsterisk` takes it in `farEnds`. */
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  /** Calls that come from now on go by these scripts. */
  use(scripts: readonly Script[]): Promise<void>;
  /** Every call so far, or those to `number`, with all that was heard: asked during calls it makes them stutter. */
  calls(number?: string): Promise<HeardCall[]>;
  /**
   * The last call to `number`, once there was one and none is going on. Throws a CampanileError after `timeoutMs` (60 s).
   */
  untilEnded(number: string, timeoutMs?: number): Promise<HeardCall>;
  /** Drops the records of calls that are over. */
  forget(): Promise<void>;
  /** Ends the process; calls going on hear no more of it. May be called twice. */
  stop(): Promise<void>;
}

/** What the process is started with. */
export interface PhonesSettings {
  port: number;
  codec: CodecName;
  sendSilence: boolean;
  limitMs: number;
}

export type Question = { id: number } & (
  | { ask: 'start'; settings: PhonesSettings; scripts: readonly Script[] }
  | { ask: 'use'; scripts: readonly Script[] }
  | { ask: 'calls'; number: string | null }
  | { ask: 'untilEnded'; number: string }
  | { ask: 'forget' }
);

export type Answer = { id: number; value: unknown } | { id: number; error: string };

type Ask = Question extends infer Q ? (Q extends { id: number } ? Omit<Q, 'id'> : never) : never;

/**
 * Starts phones in a process of their own, from dist/: `scripts/ready.mjs` makes it. Resolves when they listen; throws a
 * CampanileError when they do not.
 */
export async function startPhones(options: PhonesOptions = {}): Promise<Phones> {
  const { codec = 'PCMU', sendSilence = true, limitMs = 120_000, scripts = [] } = options;
  const port = options.port ?? (await freePort('udp'));
  const child = fork(join(packageRoot, 'dist/src/lab/phone/process.js'), {
    serialization: 'advanced',
    execArgv: [],
  });
  const ask = createAsk(child);
  await ask({ ask: 'start', settings: { port, codec, sendSilence, limitMs }, scripts }).catch((error) => {
    child.kill('SIGKILL');
    throw error;
  });
  const gone = once(child, 'exit');
  return {
    address: `127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    async use(wanted) {
      await ask({ ask: 'use', scripts: wanted });
    },
    async calls(number) {
      const records = (await ask({ ask: 'calls', number: number ?? null })) as CallRecord[];
      return records.map((record) => heardCall(record, codec));
    },
    async untilEnded(number, timeoutMs = 60_000) {
      const record = await within(timeoutMs, number, ask({ ask: 'untilEnded', number }));
      return heardCall(record as CallRecord, codec);
    },
    async forget() {
      await ask({ ask: 'forget' });
    },
    async stop() {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** Asks the process and finds the answer to each question; all of them fail when it has gone. */
function createAsk(child: ChildProcess): (question: Ask) => Promise<unknown> {
  const open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let next = 0;
  child.on('message', (answer: Answer) => {
    const asked = open.get(answer.id);
    open.delete(answer.id);
    if ('error' in answer) asked?.reject(new CampanileError('far_end_start', answer.error));
    else asked?.resolve(answer.value);
  });
  child.once('exit', (code, name) => {
    for (const { reject } of open.values()) {
      reject(new CampanileError('far_end_start', `the phones' process has ended (${code ?? name})`));
    }
    open.clear();
  });
  return (question) =>
    new Promise((resolve, reject) => {
      const id = next++;
      open.set(id, { resolve, reject });
      child.send({ id, ...question }, (error) => error && reject(error));
    });
}

async function within<T>(ms: number, number: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `no call to ${number} was over within ${ms} ms`;
    timer = setTimeout(() => reject(new CampanileError('far_end_start', message)), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
