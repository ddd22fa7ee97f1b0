import type { Context } from 'koa';
import { CampanileError } from '../errors.js';

/**
 * Reads the body of a request whose content type is one of `types` and returns its type and bytes. Throws a
 * CampanileError: 415 for another type, charset or encoding, 413 beyond `limit` bytes, 400 when it breaks off.
 */
export async function readBody(
  ctx: Context,
  types: readonly string[],
  limit: number,
): Promise<{ type: string; bytes: Buffer }> {
  const type = checkType(ctx, types);
  if ((ctx.request.length ?? 0) > limit) throw tooLarge(limit);
  return { type, bytes: await collect(ctx, limit) };
}

/** The content type of a request, of `types`. Throws a CampanileError (415) for another type, charset or encoding. */
export function checkType(ctx: Context, types: readonly string[]): string {
  const type = ctx.request.type.toLowerCase();
  if (!types.some((taken) => isOf(type, taken))) {
    const given = type === '' ? 'there is no content type' : `the content type is ${type}`;
    throw unsupported(`${given}: send ${types.join(' or ')}`);
  }
  const { charset } = ctx.request;
  if (charset !== '' && !/^utf-?8$/i.test(charset))
    throw unsupported(`the charset is ${charset}: send UTF-8`);
  const encoding = ctx.get('Content-Encoding');
  if (encoding !== '' && encoding !== 'identity')
    throw unsupported(`the body is ${encoding}: send it as it is`);
  return type;
}

/** Whether a content type is `taken`, which may be all of a kind: `audio/*`. */
function isOf(type: string, taken: string): boolean {
  return taken.endsWith('/*') ? type.startsWith(taken.slice(0, -1)) : type === taken;
}

/** Reads JSON. Throws a CampanileError (`json_invalid`, 400) when it is none. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    if (cause instanceof CampanileError) throw cause;
    throw new CampanileError('json_invalid', 'the body is not valid JSON', { cause });
  }
}

/** UTF-8 as text, without a byte order mark. Throws a CampanileError (`not_utf8`, 400). */
export function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CampanileError('not_utf8', 'the body is not UTF-8', { cause });
  }
}

/**
 * The bytes of a request. Not `for await`: leaving such a loop early destroys the socket, and nobody would get to
 * read that the body was too large.
 */
function collect({ req }: Context, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (then: () => void) => {
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      then();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
      else settle(() => reject(tooLarge(limit)));
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks, size)));
    const onClose = () => settle(() => reject(new CampanileError('body_cut_off', 'the body broke off')));
    req.on('data', onData).on('end', onEnd).on('close', onClose);
    req.on('error', () => {}); // `close` follows
  });
}

function tooLarge(limit: number): CampanileError {
  return new CampanileError('body_too_large', `the body is larger than ${limit} bytes`);
}

function unsupported(message: string): CampanileError {
  return new CampanileError('content_type_unsupported', message);
}
