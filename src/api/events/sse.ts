import { once } from 'node:events';
import type { Context } from 'koa';

/** A reader who takes nothing for so long is broken off. */
const STALLED_MS = 120_000;
/** How soon a client that lost the connection comes back. */
const RETRY_MS = 3000;

/** One event as text (WHATWG HTML, 9.2.5). JSON has no line breaks of its own. */
export function renderEvent(event: { id?: string; type: string }): string {
  const id = event.id === undefined ? '' : `id: ${event.id}\n`;
  return `event: ${event.type}\n${id}data: ${JSON.stringify(event)}\n\n`;
}

/** Says nothing, and keeps proxies from closing a connection that is silent. */
export const HEARTBEAT = ':\n\n';

/** The client of a stream of events. It takes them piece by piece, and may go away or stall. */
export class SseReader {
  readonly #gone = new AbortController();

  constructor(private readonly ctx: Context) {
    ctx.res.once('close', () => this.#gone.abort());
  }

  /** Aborted when the client is gone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Sends the head, and nothing else where only that was asked for. */
  begin(): void {
    const { ctx } = this;
    ctx.status = 200;
    ctx.set('Content-Type', 'text/event-stream');
    ctx.set('Connection', 'close'); // one that was told to stop does not wait for the client to close it
    ctx.set('X-Accel-Buffering', 'no'); // nginx would keep events until it has 4 KiB of them
    if (ctx.method === 'HEAD') return;
    ctx.respond = false; // Koa's own answer would end this one
    ctx.res.write(`retry: ${RETRY_MS}\n\n`);
  }

  /** Resolves when the next piece may come. Throws when the client is gone, or took nothing for too long. */
  async write(piece: string): Promise<void> {
    this.gone.throwIfAborted();
    if (this.ctx.res.write(piece)) return;
    const signal = AbortSignal.any([this.gone, AbortSignal.timeout(STALLED_MS)]);
    await once(this.ctx.res, 'drain', { signal });
  }

  end(): void {
    // Bytes that a stalled client does not take would keep the connection for ever.
    if (this.ctx.res.writableNeedDrain) this.ctx.req.socket.destroy();
    else this.ctx.res.end();
  }
}
