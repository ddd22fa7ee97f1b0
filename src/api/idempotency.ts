import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { findKeptAnswer, keepAnswer, lockKey, lockKeyForSession } from '../db/idempotency.js';
import type { Db, Tx } from '../db/pool.js';
import { CampanileError } from '../errors.js';
import { newId } from '../ids.js';
import { createSeal, deriveKey } from '../seal.js';

/** Thrown where a request turns out to be the repeat of one that was answered: this is what was answered. */
export class Repeated extends Error {
  readonly answer: unknown;
  constructor(answer: unknown) {
    super('the request is a repeat');
    this.answer = answer;
  }
}

/** A request that is to be done once, however often it comes. Without an Idempotency-Key nothing of this does anything. */
export interface Once {
  /** Throws a Repeated when it was done; a CampanileError (422) when the key was used for another request. */
  check(db: Db): Promise<void>;
  /** Takes the key until the transaction ends, and checks. Throws a CampanileError (409) when it is being done just now. */
  lock(tx: Tx): Promise<void>;
  /** The same for as long as the session lasts. */
  lockForSession(session: Db): Promise<void>;
  /** Keeps the answer, in the transaction that does what is asked. */
  keep(tx: Tx, answer: unknown): Promise<void>;
}

export interface Idempotency {
  /**
   * `tenantId` is whose key it is; null: the installation's. `body` is undefined for a stream, which cannot be hashed before it is
   * read: there its type and length stand for it.
   */
  onceOf(ctx: Context, tenantId: string | null, body: Uint8Array | undefined): Once;
}

const NOTHING = async () => {};

/** For a request that brings no key. */
export const ANY_TIMES: Once = { check: NOTHING, lock: NOTHING, lockForSession: NOTHING, keep: NOTHING };

/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07). The answer is kept for 24 hours, in the transaction of what was
 * done: what failed, or was broken off at any moment before the commit, is done by the repeat; what was committed is not.
 */
export function createIdempotency(secret: Uint8Array): Idempotency {
  const hashKey = deriveKey(secret, 'campanile request hash');
  const seal = createSeal(secret, 'campanile kept answer');

  return {
    onceOf(ctx, tenantId, body) {
      const key = parseKey(ctx.get('Idempotency-Key'));
      if (key === null) return ANY_TIMES;
      const request = hash(ctx, body);

      async function check(db: Db): Promise<void> {
        const kept = await findKeptAnswer(db, tenantId, key!);
        if (!kept) return;
        if (!timingSafeEqual(kept.request, request)) throw usedForAnother();
        throw new Repeated(JSON.parse(seal.open(kept.id, kept.answer)));
      }

      return {
        check,
        async lock(tx) {
          if (!(await lockKey(tx, tenantId, key))) throw underWay();
          await check(tx);
        },
        async lockForSession(session) {
          if (!(await lockKeyForSession(session, tenantId, key))) throw underWay();
          await check(session);
        },
        async keep(tx, answer) {
          const id = newId();
          await keepAnswer(tx, tenantId, key, {
            id,
            request,
            answer: seal.seal(id, JSON.stringify(answer ?? null)),
          });
        },
      };
    },
  };

  function hash(ctx: Context, body: Uint8Array | undefined): Buffer {
    const length = body?.length ?? ctx.get('Content-Length');
    const about = [ctx.method, ctx.url, ctx.request.type.toLowerCase(), String(length)];
    return createHmac('sha256', hashKey)
      .update(JSON.stringify(about))
      .update(body ?? '')
      .digest();
  }
}

/**
 * The key: a string as RFC 8941 has it, in quotes, or without them as many clients send it. Null where there is none. Throws a
 * CampanileError (`idempotency_key_invalid`, 400).
 */
export function parseKey(header: string): string | null {
  if (header === '') return null;
  const [, quoted] = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/.exec(header) ?? [];
  const key = quoted?.replace(/\\(.)/g, '$1') ?? (/^[!#-+\--~]+$/.test(header) ? header : '');
  if (key.length >= 1 && key.length <= 255) return key;
  const message =
    'the Idempotency-Key must be 1 to 255 letters of ASCII, in quotes or without blanks, such as a UUID';
  throw new CampanileError('idempotency_key_invalid', message);
}

function usedForAnother(): CampanileError {
  const message =
    'the Idempotency-Key was used for another request: make a new key for each thing that is to be done';
  return new CampanileError('idempotency_key_reused', message);
}

function underWay(): CampanileError {
  const message =
    'the request with this Idempotency-Key is under way: send it again in a second to get its answer';
  return new CampanileError('idempotency_key_in_use', message, { retryAfterSeconds: 1 });
}
