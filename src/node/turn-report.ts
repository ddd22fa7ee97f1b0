import type { Ending, FinishedAttempt } from '../db/finish.js';
import type { OpenCall } from './open-calls.js';

/** Who is told what turns do; times are seconds. */
export interface TurnMetrics {
  ended(attempts: readonly FinishedAttempt[]): void;
  claimed(seconds: number): void;
  placed(calls: readonly OpenCall[]): void;
  placedWithin(seconds: number): void;
  /** A port was empty for so long. */
  refilled(seconds: number): void;
}

/** What a turn tells once it is committed. */
export interface TurnReport {
  /** These ended, of those that were found to be over. */
  ended(endings: readonly Ending[], ended: readonly FinishedAttempt[]): void;
  /** A turn is over that claimed `claimed` calls and placed these; its times are by performance.now(). */
  turned(claimed: number, placed: readonly OpenCall[], times: { began: number; committed: number }): void;
}

/**
 * Reckons how long ports were empty: each that was freed, until the file that took it. What a turn that failed has freed counts
 * until the next one that does not. Where fewer calls were placed than ended, nobody waited for the other ports.
 */
export function createTurnReport(metrics: TurnMetrics): TurnReport {
  let freed: Date[] = [];
  return {
    ended(endings, ended) {
      const over = new Set(ended.map(({ callId }) => callId));
      for (const { callId, freedAt } of endings) if (freedAt && over.has(callId)) freed.push(freedAt);
      metrics.ended(ended);
    },
    turned(claimed, placed, { began, committed }) {
      const now = Date.now();
      for (const at of freed.slice(0, placed.length))
        metrics.refilled(Math.max(0, now - at.getTime()) / 1000);
      freed = [];
      if (claimed === 0) return;
      metrics.claimed((committed - began) / 1000);
      metrics.placedWithin((performance.now() - committed) / 1000);
      metrics.placed(placed);
    },
  };
}
