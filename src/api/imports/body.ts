import type { IncomingMessage } from 'node:http';
import { CampanileError } from '../../errors.js';
import { liftDeadline, setDeadline } from '../deadline.js';

const DISCARD_MS = 30_000;

/**
 * The bytes of a request of any length. Throws a CampanileError: 400 (`body_cut_off`) when it breaks off, 408
 * (`body_stalled`) when nothing comes for `stallMs`. Whoever stops reading early can still answer: the socket stays.
 */
export async function* chunksOf(req: IncomingMessage, stallMs: number): AsyncGenerator<Uint8Array> {
  liftDeadline(req);
  const chunks = req.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const next = await inTime(chunks.next(), stallMs);
      if (next.done) {
        if (req.complete) return;
        throw cutOff();
      }
      yield next.value;
    }
  } finally {
    // Who still sends reads no answer before he is done: what comes is thrown away, for a while. Only when the iterator
    // has let go of the request, because that flows for nobody while somebody listens for `readable`.
    const released = chunks.return?.() ?? Promise.resolve();
    released.catch(() => {}).finally(() => req.resume());
    if (!req.complete) setDeadline(req, DISCARD_MS, () => req.destroy());
  }
}

async function inTime<T>(next: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      next.catch(() => {}); // the connection is about to be closed
      const message = `nothing of the body came for ${ms / 1000} s`;
      reject(new CampanileError('body_stalled', message));
    }, ms);
  });
  try {
    return await Promise.race([next, late]);
  } catch (error) {
    throw error instanceof CampanileError ? error : cutOff(error);
  } finally {
    clearTimeout(timer);
  }
}

function cutOff(cause?: unknown): CampanileError {
  return new CampanileError('body_cut_off', 'the body broke off', { cause });
}
