import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.js';
import { AGI_URL, AgiSession } from './agi-session.js';
import { makeCall } from './call.js';
import { createCallLog, type SandboxCall } from './call-log.js';
import type { Channel } from './channel.js';
import type { Agi } from './dialplan.js';
import { type Manner, mannerOf } from './far-end.js';
import { announceEnd, announceStart } from './run-directory.js';
import { Spool } from './spool.js';

export type { SandboxCall } from './call-log.js';

export interface SandboxOptions {
  /** Asterisk's spool directory: call files come in its outgoing/. Made when missing. */
  spoolDir: string;
  /** Asterisk's run directory: asterisk.pid and asterisk.ctl there tell of the start. Made when missing. */
  runDir: string;
  log: Logger;
  /** Numbers ending in 201: seconds from the answer to the callee's hang-up. 0.7 unless said otherwise. */
  answerSeconds?: number;
  /** Numbers ending in 202: seconds of ringing before the answer. 2 unless said otherwise. */
  ringSeconds?: number;
  /**
   * How many times as fast as real time all that is pretended goes: ringing, playing, WaitTime. 1 by default. Campanile's
   * own clock does not follow: with more, a call that the callee cuts short counts as heard for the real time only.
   */
  speed?: number;
  /** How the far end takes a call; by the last three digits of its number unless said otherwise. */
  mannerOf?: (number: string) => Manner;
  /** Where calls find FastAGI, whatever their files say: a node that was started again may listen elsewhere. */
  agiUrl?: string;
  /** Nothing pretended takes any time. What would come first still comes first, and all of the protocol is spoken. */
  instant?: boolean;
  /** The trunks there are; every one when left out. A call on another has no channel. */
  knownTrunks?: readonly string[];
  /** Trunks that are not there. */
  unknownTrunks?: readonly string[];
  /** Calls above this number at once are refused with 503. No limit unless said otherwise. */
  maxCalls?: number;
  /** How many calls `calls()` remembers, the latest ones: 100,000 unless said otherwise, 0 for none. */
  callLog?: number;
  /** The pid that call files are told, if not this process's: Asterisk treats files of an own earlier run otherwise. */
  pid?: number;
}

/** A pretended Asterisk with its far end. */
export interface SandboxPbx {
  /** Hangs up all calls, reports and archives them as Asterisk does, and ends. May be called twice. */
  stop(): Promise<void>;
  /** Ends as Asterisk does by kill -9: nothing is reported or archived, the files stay where they are. */
  kill(): void;
  /** What the far end saw, in the order the calls came in; copies. */
  calls(): SandboxCall[];
  /** All calls since the start, whether remembered or not. */
  readonly total: number;
  /** Calls that ring or are talked on at this moment. */
  readonly upNow: number;
  /** The most of them at any moment so far. */
  readonly maxConcurrent: number;
}

/** How long calls may take to be reported when the PBX stops. */
const STOP_MS = 5_000;

/**
 * Starts a pretended Asterisk on a spool directory and resolves when it takes calls. How a call goes is said by the last
 * three digits of its number: see `mannerOf` in far-end.ts. Throws what the file system does when a directory cannot be
 * made or watched.
 */
export async function startSandboxPbx(options: SandboxOptions): Promise<SandboxPbx> {
  const { spoolDir, runDir, log, pid = process.pid } = options;
  const { maxCalls = Number.POSITIVE_INFINITY, callLog = 100_000 } = options;
  const channels = new Set<Channel>();
  const sessions = new Set<AgiSession>();
  const running = new Set<Promise<boolean>>();
  const seen = createCallLog(callLog);
  let stopping: Promise<void> | undefined;

  const agi: Agi = async (channel, call) => {
    const url = options.agiUrl ?? call.url;
    if (!AGI_URL.test(url)) return 'NOTFOUND';
    const session = new AgiSession(channel, { ...call, url });
    sessions.add(session);
    const status = await session.over;
    sessions.delete(session);
    return status;
  };

  const manners = { answerSeconds: options.answerSeconds ?? 0.7, ringSeconds: options.ringSeconds ?? 2 };
  const exchange = {
    log,
    agi,
    channels,
    seen,
    maxCalls,
    speed: options.instant ? Number.POSITIVE_INFINITY : (options.speed ?? 1),
    mannerOf: options.mannerOf ?? ((number: string) => mannerOf(number, manners)),
    isKnownTrunk: trunkFilter(options),
  };

  const spool = new Spool({
    directory: spoolDir,
    pid,
    log,
    call(order) {
      const call = makeCall(order, exchange).catch((err) => {
        log.error({ err }, 'a pretended call failed');
        return false;
      });
      running.add(call);
      void call.then(() => running.delete(call));
      return call;
    },
  });

  function freeze(): void {
    spool.freeze();
    for (const channel of channels) channel.freeze();
    for (const session of sessions) session.abandon();
  }

  async function stop(): Promise<void> {
    spool.close();
    for (const channel of channels) channel.hangUp('');
    const timer = new AbortController();
    const tooLong = delay(STOP_MS, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([Promise.all(running), tooLong]);
    timer.abort();
    if (running.size > 0) log.warn({ calls: running.size }, 'stopped without the reports of some calls');
    freeze();
    announceEnd(runDir);
  }

  announceStart(runDir, pid);
  // Call files tell the second of a call, and a call of this run must be seen to be younger than its start.
  await delay(1_000 - (Date.now() % 1_000));
  spool.open();

  return {
    stop() {
      stopping ??= stop();
      return stopping;
    },
    kill() {
      stopping ??= Promise.resolve();
      freeze();
    },
    calls: seen.calls,
    get total() {
      return seen.total;
    },
    get upNow() {
      return seen.upNow;
    },
    get maxConcurrent() {
      return seen.maxConcurrent;
    },
  };
}

function trunkFilter({ knownTrunks, unknownTrunks = [] }: SandboxOptions): (trunk: string) => boolean {
  const known = knownTrunks && new Set(knownTrunks);
  const unknown = new Set(unknownTrunks);
  return (trunk) => !unknown.has(trunk) && (known?.has(trunk) ?? true);
}
