import { once } from 'node:events';
import type { Context } from 'koa';
import { asTenant, type Pool, snapshot, type Tx } from '../db/pool.js';
import { CampanileError } from '../errors.js';
import type { Logger } from '../log.js';
import { Slots } from './slots.js';

/** How many exports one process sends at once. */
export const MOST_EXPORTS = 4;
const slots = new Slots(MOST_EXPORTS, 2, 'exports', { tooMany: 'too_many_exports', busy: 'exports_busy' });

/** A reader who takes nothing for so long is broken off. */
const STALLED_SECONDS = 120;
/** Longer than a reader may stall, so that it is only for a process that died and left its transaction open. */
const IDLE_SECONDS = 180;
/** A transaction that reads keeps the dead rows of all tables from being removed: none may do so for ever. */
const LONGEST_SECONDS = 3600;

/** What is sent, and as what. */
export interface ExportFile {
  /** Of ASCII letters, digits, `_`, `-` and `.` only: it goes into a header. */
  name: string;
  type: string;
}

/** The client closed the connection. */
class ReaderGone extends Error {}

/**
 * Sends what `open` reads in one snapshot of the database, as fast as the client takes it. It writes to the connection
 * itself: the transaction must end when the client goes away, and the answer may not end when the transaction fails.
 *
 * An error before the first byte is thrown, and becomes a problem document. After it the connection is closed without
 * the last chunk, by which every client of HTTP/1.1 knows that the answer is not whole (RFC 9112 section 8). One of
 * HTTP/1.0 could not. Throws a CampanileError: 426 to such a one, 429 or 503 when too many exports are under way.
 */
export async function sendExport(
  call: { ctx: Context; exportPool: Pool; log: Logger; tenant: { id: string } },
  file: ExportFile,
  open: (tx: Tx) => AsyncIterable<string>,
): Promise<void> {
  const { ctx, exportPool, log, tenant } = call;
  refuseHttp10(ctx);
  if (ctx.method === 'HEAD') return setHead(ctx, file);
  const giveBack = slots.take(tenant.id);
  const reader = new Reader(ctx, file);
  try {
    await snapshot(asTenant(exportPool, tenant.id), IDLE_SECONDS, async (tx) => {
      for await (const piece of open(tx)) await reader.write(piece);
    });
    reader.end();
  } catch (error) {
    if (reader.isGone) {
      log.info({ tenant: tenant.id, file: file.name }, 'the reader of an export went away');
      return;
    }
    if (!ctx.headerSent) throw error;
    log.error({ err: error, tenant: tenant.id, file: file.name }, 'broke an export off');
    ctx.req.socket.destroy();
  } finally {
    reader.release();
    giveBack();
  }
}

function refuseHttp10(ctx: Context): void {
  if (ctx.req.httpVersion !== '1.0') return;
  ctx.set({ Upgrade: 'HTTP/1.1', Connection: 'Upgrade, close' });
  throw new CampanileError(
    'http_1_1_required',
    'an export in HTTP/1.0 that broke off would look whole: use HTTP/1.1, behind nginx with proxy_http_version 1.1',
  );
}

/** The client of an export: takes it piece by piece, and may go away, stall or be too slow. */
class Reader {
  readonly #over = new AbortController();
  readonly #longest: NodeJS.Timeout;
  #begun = false;

  constructor(
    private readonly ctx: Context,
    private readonly file: ExportFile,
  ) {
    const { res } = ctx;
    res.once('close', () => this.#over.abort(new ReaderGone('the client closed the connection')));
    res.setTimeout(STALLED_SECONDS * 1000, () => this.#over.abort(tooSlow(STALLED_SECONDS, 'took nothing')));
    const late = () => this.#over.abort(tooSlow(LONGEST_SECONDS, 'had not taken all'));
    this.#longest = setTimeout(late, LONGEST_SECONDS * 1000);
  }

  get isGone(): boolean {
    return this.#over.signal.reason instanceof ReaderGone;
  }

  /** Resolves when the next piece may come. Throws when the client is gone or too slow. */
  async write(piece: string): Promise<void> {
    const { signal } = this.#over;
    signal.throwIfAborted();
    this.#begin();
    if (this.ctx.res.write(piece)) return;
    await once(this.ctx.res, 'drain', { signal }).catch((error) => {
      throw signal.reason ?? error;
    });
  }

  end(): void {
    this.#over.signal.throwIfAborted();
    this.#begin();
    this.ctx.res.end();
  }

  release(): void {
    clearTimeout(this.#longest);
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const { ctx, file } = this;
    setHead(ctx, file);
    ctx.respond = false; // Koa's own answer would end this one
  }
}

function setHead(ctx: Context, file: ExportFile): void {
  ctx.status = 200;
  ctx.set('Content-Type', file.type);
  ctx.set('Content-Disposition', `attachment; filename="${file.name}"`);
  ctx.set('Connection', 'close'); // one that was told to stop does not wait for the client to close it
}

function tooSlow(seconds: number, what: string): CampanileError {
  return new CampanileError('reader_too_slow', `the client ${what} for ${seconds} s`);
}
