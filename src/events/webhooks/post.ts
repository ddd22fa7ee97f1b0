import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../errors.js';
import { isPrivateAddress } from '../../private-address.js';
import { PrivateHost, publicLookup, type Resolve } from './lookup.js';

/** What came of a POST: the status and Retry-After of its answer, or why there was none, as an end of a sentence. */
export type Posted =
  | { status: number; retryAfter: string | undefined; error: null }
  | { status: null; retryAfter: undefined; error: string };

export interface PostOptions {
  /** Whether it may go to addresses that are not of the internet, and over plain HTTP. */
  allowPrivate: boolean;
  timeoutMs: number;
  resolve?: Resolve | undefined;
}

/** More of an answer is not waited for: nobody reads it. */
const MOST_ANSWER_BYTES = 4096;

/**
 * Sends a body to a URL that a tenant gave, over a connection of its own. Follows no redirect: where it leads nobody has
 * checked. Never throws.
 */
export async function post(
  url: string,
  headers: Record<string, string>,
  body: string,
  { allowPrivate, timeoutMs, resolve }: PostOptions,
): Promise<Posted> {
  try {
    const target = new URL(url);
    if (!allowPrivate) checkTarget(target);
    const answer = await send(
      target,
      headers,
      body,
      timeoutMs,
      allowPrivate ? undefined : publicLookup(resolve),
    );
    return { status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'], error: null };
  } catch (error) {
    return { status: null, retryAfter: undefined, error: describe(error, timeoutMs) };
  }
}

/** A socket looks no address up that is one already. */
export function checkTarget({ protocol, hostname }: URL): void {
  if (protocol !== 'https:') throw new Error('the URL is not https');
  const literal = hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) && isPrivateAddress(literal)) throw new PrivateHost();
}

/** Resolves with the head of the answer once its body has come, or as much of it as is waited for. */
function send(
  target: URL,
  headers: Record<string, string>,
  body: string,
  timeoutMs: number,
  lookup: ReturnType<typeof publicLookup> | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = target.protocol === 'https:' ? requestHttps : requestHttp;
    const sent = request(target, {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      signal: AbortSignal.timeout(timeoutMs),
      ...(lookup ? { lookup } : {}),
    });
    sent.on('error', reject);
    sent.on('upgrade', refuseUpgrade(reject));
    sent.on('response', (answer) => {
      let bytes = 0;
      const end = () => {
        resolve(answer);
        sent.destroy();
      };
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_ANSWER_BYTES) end();
      });
      answer.on('end', end);
      answer.on('error', reject);
    });
    sent.end(body);
  });
}

/** Whoever answers 101 wants to go on in another protocol. Node ends such a connection without a word to anybody. */
export function refuseUpgrade(reject: (error: Error) => void) {
  return (_answer: IncomingMessage, socket: Duplex): void => {
    socket.destroy();
    reject(new Error('the server answered 101, not 2xx'));
  };
}

export function describe(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')) {
    return `no answer within ${timeoutMs / 1000} s`;
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return MEANINGS[code] ?? messageOf(error);
}

/** Without the address, which Node's messages name. */
const MEANINGS: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was broken off',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the host cannot be reached',
  ENOTFOUND: 'the name of the host is not known',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment',
  ETIMEDOUT: 'the host does not answer',
};
