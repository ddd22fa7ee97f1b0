import { type Pool, type TenantDatabase, type Tx, transaction } from '../db/pool.js';
import type { Once } from './idempotency.js';

/**
 * Does what a request asks for, in one transaction with its entry in the audit log and the answer that a repeat gets: all of
 * them or none. `work` resolves with the route's answer.
 */
export type Change = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

/** The same for what has a transaction of its own. */
export interface Recording extends Pick<Once, 'lockForSession'> {
  /** Writes both, in the transaction of the change. */
  write(tx: Tx, answer: unknown): Promise<void>;
}

/** Of one request. */
export interface Changes {
  change: Change;
  recording: Recording;
  /** Whether one of them was used. */
  wereMade(): boolean;
}

export function createChanges(
  db: Pool | TenantDatabase,
  once: Once,
  audit: (tx: Tx, answer: unknown) => Promise<void>,
): Changes {
  let made = false;
  async function write(tx: Tx, answer: unknown): Promise<void> {
    await audit(tx, answer);
    await once.keep(tx, answer);
  }
  return {
    change: (work) => {
      made = true;
      return transaction(db, async (tx) => {
        await once.lock(tx);
        const answer = await work(tx);
        await write(tx, answer);
        return answer;
      });
    },
    recording: {
      lockForSession(session) {
        made = true;
        return once.lockForSession(session);
      },
      write,
    },
    wereMade: () => made,
  };
}
