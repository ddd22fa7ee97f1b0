import { type Ending, type FinishedAttempt, finishAttempts } from '../db/finish.js';
import { type Pool, transaction } from '../db/pool.js';
import { waitForTurn } from '../db/turn.js';
import type { Logger } from '../log.js';
import { createScheduler, type Pass } from '../scheduler/scheduler.js';
import { type TurnOptions, takeTurn, tellTrunks } from './turn.js';

/** The node's turns, one after the other: each finishes what is over and claims what is due. */
export interface Turns {
  start(): void;
  /** Contacts may be due. */
  wake(): void;
  /** Ends attempts with the next turn; resolves, once that is committed, with those that it ended. */
  finish(endings: Ending[]): Promise<FinishedAttempt[]>;
  /** Claims nothing more, and resolves when the turn under way is over. What is over is finished all the same. */
  stop(): Promise<void>;
}

interface Waiting {
  endings: Ending[];
  resolve(ended: FinishedAttempt[]): void;
  reject(error: unknown): void;
}

export function createTurns(
  options: TurnOptions & { pool: Pool; log: Logger; onSweepFind?(calls: number): void },
): Turns {
  let waiting: Waiting[] = [];
  let claims = false;
  const scheduler = createScheduler({ pass, log: options.log, onSweepFind: options.onSweepFind });

  async function pass(): Promise<Pass> {
    const batch = waiting;
    waiting = [];
    const endings = batch.flatMap((w) => w.endings);
    try {
      return await takeTurn(endings, (ended) => settle(batch, ended), options);
    } catch (error) {
      // What is over ends, whatever keeps calls from being placed; and who waited is told why if it does not.
      await finishAlone(batch);
      throw error;
    }
  }

  async function finishAlone(batch: Waiting[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      const endings = batch.flatMap((w) => w.endings);
      const { ended, trunks } = await transaction(options.pool, async (tx) => {
        await waitForTurn(tx);
        const finish = await finishAttempts(tx, endings);
        await finish.written;
        return finish;
      });
      settle(batch, ended);
      options.report?.ended(endings, ended);
      tellTrunks(trunks, options.log);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  function settle(batch: Waiting[], ended: FinishedAttempt[]): void {
    const byCall = new Map(ended.map((attempt) => [attempt.callId, attempt]));
    for (const { endings, resolve } of batch) {
      resolve(endings.map(({ callId }) => byCall.get(callId)).filter((attempt) => attempt !== undefined));
    }
  }

  return {
    start() {
      claims = true;
      scheduler.start();
    },
    wake: scheduler.wake,
    finish(endings) {
      return new Promise((resolve, reject) => {
        const own: Waiting = { endings, resolve, reject };
        if (!claims) return void finishAlone([own]);
        waiting.push(own);
        scheduler.wake();
      });
    },
    async stop() {
      claims = false;
      await scheduler.stop();
      const late = waiting;
      waiting = [];
      await finishAlone(late);
    },
  };
}
