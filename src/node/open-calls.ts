import type { SpokenText } from '../calls/flow/spoken.js';
import type { Addressed } from '../db/contacts.js';
import type { Content } from '../db/content.js';
import { findOpenCall, listOpenCalls, type OpenCallRow } from '../db/open-attempts.js';
import type { Db } from '../db/pool.js';
import type { Contents } from './contents.js';
import { spokenTo } from './ready-calls.js';

/** What a call of this node needs once it is answered. The contact is there where the flow may ask for him. */
export interface OpenCall extends Addressed {
  callId: string;
  number: string;
  ordinal: number;
  campaignId: string;
  contactId: string;
  trunkId: string;
  content: Content;
  /** What an engine speaks in it. */
  texts: readonly SpokenText[];
  /** When this process placed it. */
  placedAt?: Date;
}

/** A call that may be answered: a call back, which came in, has no trunk. */
export type AnswerableCall = Omit<OpenCall, 'trunkId'>;

export function tenantOf(callId: string): string {
  return callId.slice(0, callId.indexOf('.'));
}

/** The calls that this node has open, at hand so that nobody who answers waits for a query. */
export interface OpenCalls {
  /** Reads them from the database, at start. */
  load(): Promise<void>;
  add(calls: readonly OpenCall[]): void;
  remove(callIds: readonly string[]): void;
  /** An open call; asks the database for one that is not at hand. Null when there is none, or it is over. */
  find(callId: string): Promise<OpenCall | null>;
  /** Those at hand. */
  all(): Iterable<OpenCall>;
  /** Somebody has answered this call. */
  answered(callId: string): void;
  /** Calls that nobody has answered for so long since they were placed, or since this process knows of them. */
  ringingFor(seconds: number): string[];
  /** When this process placed a call that is at hand; null where it did not. */
  placedAt(callId: string): Date | null;
  /** Whether an open call may play this sound. */
  mayPlay(sha256: string): boolean;
  /** Resolves when no call is open any more, or after `atMostMs`. */
  whenNone(atMostMs: number): Promise<void>;
}

export function createOpenCalls(db: Db, node: string, contents: Contents): OpenCalls {
  const calls = new Map<string, OpenCall>();
  /** Since when nobody has answered; not by the time of day, which may be set. */
  const ringingSince = new Map<string, number>();
  let tellNone: () => void = () => {};
  const add = (some: readonly OpenCall[]) => {
    for (const call of some) {
      calls.set(call.callId, call);
      ringingSince.set(call.callId, performance.now());
    }
  };
  const toCall = async ({ content: ref, sawAnswer: _, ...row }: OpenCallRow): Promise<OpenCall> => {
    const content = await contents.get(ref);
    const texts = spokenTo(row, content);
    // Nobody is called whose texts cannot be made; but his fields may have been erased since.
    return { ...row, content, texts: typeof texts === 'string' ? [] : texts };
  };
  return {
    add,
    async load() {
      const rows = await listOpenCalls(db, node);
      add(await Promise.all(rows.map(toCall)));
      for (const { callId, sawAnswer } of rows) if (sawAnswer) ringingSince.delete(callId);
    },
    remove(callIds) {
      for (const callId of callIds) {
        calls.delete(callId);
        ringingSince.delete(callId);
      }
      if (calls.size === 0) tellNone();
    },
    async find(callId) {
      const atHand = calls.get(callId);
      if (atHand) return atHand;
      const row = await findOpenCall(db, node, callId);
      return row && toCall(row);
    },
    all: () => calls.values(),
    answered(callId) {
      ringingSince.delete(callId);
    },
    ringingFor(seconds) {
      const before = performance.now() - seconds * 1000;
      return [...ringingSince].flatMap(([callId, since]) => (since <= before ? [callId] : []));
    },
    placedAt: (callId) => calls.get(callId)?.placedAt ?? null,
    mayPlay(sha256) {
      for (const { content } of calls.values()) {
        for (const sound of content.sounds.values()) if (sound.sha256 === sha256) return true;
      }
      return false;
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
