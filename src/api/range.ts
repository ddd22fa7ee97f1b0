import type { Context } from 'koa';
import { CampanileError } from '../errors.js';

/** Bytes of what is asked for. */
export interface Range {
  start: number;
  length: number;
}

/**
 * The range that a request wants of `size` bytes, by which a browser seeks; null for all of them, as when it wants several, which
 * RFC 9110 (section 14.2) lets us ignore. Sets the answer's status and headers. Throws a CampanileError (416) when there are no
 * such bytes.
 */
export function requestedRange(ctx: Context, size: number): Range | null {
  ctx.set('Accept-Ranges', 'bytes');
  const asked = /^bytes=(\d*)-(\d*)$/i.exec(ctx.get('Range').trim());
  // What has changed since must be sent whole; we give nothing to tell it by.
  if (!asked || (asked[1] === '' && asked[2] === '') || ctx.get('If-Range') !== '') return null;
  const [from, to] = [asked[1]!, asked[2]!];
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < Number(from)) return null;
  if (start > last) {
    ctx.set('Content-Range', `bytes */${size}`);
    throw new CampanileError('range_not_satisfiable', `there are ${size} bytes`);
  }
  ctx.status = 206;
  ctx.set('Content-Range', `bytes ${start}-${last}/${size}`);
  return { start, length: last - start + 1 };
}
