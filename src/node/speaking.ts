import { setTimeout } from 'node:timers/promises';
import { releaseAttempts } from '../db/open-attempts.js';
import type { Pool } from '../db/pool.js';
import { findWantedCalls } from '../db/speech.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Speech } from '../messages/speech/speech.js';
import type { Spool } from '../spool/directories.js';
import type { Journal } from '../spool/journal.js';
import { fileNameOf } from '../spool/name.js';
import { place, unstage } from '../spool/writer.js';
import { tellPlaced, tellReleased } from './call-log.js';
import { type OpenCall, type OpenCalls, tenantOf } from './open-calls.js';

/**
 * Calls that are claimed and wait for their texts: their ports are held, their files lie in staging/. A crash leaves what a crash
 * before any other call's placing leaves, and the reconciler releases them.
 */
export interface Speaking {
  /** Takes over calls that are in flight: each is placed as soon as its texts are there, or its claim is undone. */
  take(calls: readonly OpenCall[]): void;
  /** Gives up what waits. Resolves when nothing is under way. */
  stop(): Promise<void>;
}

export interface SpeakingOptions {
  pool: Pool;
  spool: Spool;
  journal: Pick<Journal, 'released'>;
  speech: Pick<Speech, 'prepare' | 'stop'>;
  openCalls: OpenCalls;
  inFlight: Set<string>;
  log: Logger;
  /** Ports are free again. */
  onReleased(): void;
  onPlaced?(calls: readonly OpenCall[]): void;
  /** How long a call may wait. */
  waitSeconds?: number;
}

/** A port is held meanwhile, and what the claim looked at grows old. The text is rendered on, for the next time. */
const WAIT_SECONDS = 15;
/** An engine that fails at once must not have the contacts of a whole campaign claimed and released in a moment. */
const FAILURE_PAUSE_MS = 1000;

interface Outcome {
  call: OpenCall;
  /** Why the text was not spoken; null when it was. */
  problem: string | null;
}

export function createSpeaking(options: SpeakingOptions): Speaking {
  const { pool, spool, journal, speech, openCalls, inFlight, log, onReleased, onPlaced } = options;
  const { waitSeconds = WAIT_SECONDS } = options;
  const waiting = new Set<Promise<void>>();
  const stopping = new AbortController();
  let outcomes: Outcome[] = [];
  let settling: Promise<void> | null = null;

  async function placeWhenSpoken(call: OpenCall): Promise<void> {
    const problem = await spoken(call).then(
      () => null,
      (error: unknown) => messageOf(error),
    );
    if (problem !== null) await pause(FAILURE_PAUSE_MS, stopping.signal);
    outcomes.push({ call, problem });
    settling ??= settle().finally(() => {
      settling = null;
    });
    await settling;
  }

  async function spoken(call: OpenCall): Promise<void> {
    const limit = new AbortController();
    const late = setTimeout(waitSeconds * 1000, undefined, { signal: limit.signal, ref: false }).then(() => {
      throw new Error(`the text was not spoken within ${waitSeconds} s: the speech engine is too slow`);
    });
    try {
      await Promise.race([speech.prepare(tenantOf(call.callId), call.texts), late]);
    } finally {
      limit.abort();
      late.catch(() => {});
    }
  }

  async function settle(): Promise<void> {
    while (outcomes.length > 0) {
      const batch = outcomes;
      outcomes = [];
      try {
        await settleBatch(batch);
      } catch (error) {
        // Their files lie in staging: the reconciler releases whoever is not in flight.
        log.error({ err: error, calls: batch.length }, 'cannot place calls whose texts are spoken');
      } finally {
        for (const { call } of batch) inFlight.delete(call.callId);
      }
    }
  }

  async function settleBatch(batch: readonly Outcome[]): Promise<void> {
    const spokenCalls = batch.flatMap(({ call, problem }) => (problem === null ? [call] : []));
    const wanted = stopping.signal.aborted
      ? new Set<string>()
      : await findWantedCalls(
          pool,
          spokenCalls.map(({ callId }) => callId),
        );
    const placing = spokenCalls.filter(({ callId }) => wanted.has(callId));
    // fail point: spoken
    openCalls.add(placing);
    const notPlaced = place(
      spool,
      placing.map(({ callId }) => fileNameOf(callId)),
    );
    // fail point: spoken and placed
    tellPlaced(placing, notPlaced, log);
    const failed = new Set(notPlaced.map(({ name }) => name));
    const releasing = batch.filter(
      ({ call: { callId } }) => !wanted.has(callId) || failed.has(fileNameOf(callId)),
    );
    onPlaced?.(placing.filter(({ callId }) => !failed.has(fileNameOf(callId))));
    if (releasing.length > 0) await release(releasing);
  }

  async function release(releasing: readonly Outcome[]): Promise<void> {
    const callIds = releasing.map(({ call }) => call.callId);
    const unspoken = new Map(
      releasing.flatMap(({ call, problem }): [string, string][] =>
        problem === null || stopping.signal.aborted ? [] : [[call.callId, problem]],
      ),
    );
    if (unspoken.size > 0)
      // Without what the engine said behind the colon, which may repeat the text.
      log.warn(
        { calls: unspoken.size, reason: [...unspoken.values()][0]!.split(':')[0] },
        'calls are held: cannot speak',
      );
    openCalls.remove(callIds);
    journal.released(callIds);
    await releaseAttempts(pool, callIds, unspoken);
    for (const callId of callIds)
      tellReleased(
        [callId],
        unspoken.has(callId) ? 'its text could not be spoken' : 'it is not wanted any more',
        log,
      );
    unstage(spool, callIds.map(fileNameOf));
    onReleased();
  }

  return {
    take(calls) {
      for (const call of calls) {
        const wait: Promise<void> = placeWhenSpoken(call).finally(() => waiting.delete(wait));
        waiting.add(wait);
      }
    },
    async stop() {
      stopping.abort();
      await speech.stop();
      await Promise.all(waiting);
    },
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => {});
}
