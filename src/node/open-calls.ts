import { findOpenAttempt, listOpenAttempts } from '../db/open-attempts.js';
import type { Db } from '../db/pool.js';

/** What a call of this node needs once it is answered. */
export interface OpenCall {
  callId: string;
  /** Hex SHA-256 of the campaign's audio. */
  sha256: string;
  /** Its length. */
  seconds: number;
}

/** The calls that this node has open, at hand so that nobody who answers waits for a query. */
export interface OpenCalls {
  /** Reads them from the database, at start. */
  load(): Promise<void>;
  add(calls: readonly OpenCall[]): void;
  remove(callIds: readonly string[]): void;
  /** An open call; asks the database for one that is not at hand. Null when there is none, or it is over. */
  find(callId: string): Promise<OpenCall | null>;
  /** Resolves when no call is open any more, or after `atMostMs`. */
  whenNone(atMostMs: number): Promise<void>;
}

export function createOpenCalls(db: Db, node: string): OpenCalls {
  const calls = new Map<string, OpenCall>();
  let tellNone: () => void = () => {};
  const add = (some: readonly OpenCall[]) => {
    for (const { callId, sha256, seconds } of some) calls.set(callId, { callId, sha256, seconds });
  };
  return {
    add,
    async load() {
      add(await listOpenAttempts(db, node));
    },
    remove(callIds) {
      for (const callId of callIds) calls.delete(callId);
      if (calls.size === 0) tellNone();
    },
    async find(callId) {
      return calls.get(callId) ?? (await findOpenAttempt(db, node, callId));
    },
    async whenNone(atMostMs) {
      if (calls.size === 0) return;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        tellNone = resolve;
        timer = setTimeout(resolve, atMostMs);
      });
      clearTimeout(timer);
    },
  };
}
