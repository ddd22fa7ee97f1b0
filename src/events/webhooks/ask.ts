import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { publicLookup, type Resolve } from './lookup.js';
import { checkTarget, describe, refuseUpgrade } from './post.js';

/** What came of a question: the object that was answered, or why there is none, as an end of a sentence without the address. */
export type Asked = { answer: Record<string, unknown>; error: null } | { answer: null; error: string };

/** Asks servers that tenants named, while somebody waits on the telephone. */
export interface Asker {
  /** Never throws, and takes no longer than `timeoutMs` in all. */
  ask(url: string, headers: Record<string, string>, body: string, timeoutMs: number): Promise<Asked>;
  stop(): void;
}

const MOST_ANSWER_BYTES = 64 * 1024;
/** Another question may come soon, and a new connection would cost it two or three times the way there and back. */
const KEPT_ALIVE_MS = 60_000;
const MOST_CONNECTIONS = 100;

/** `allowPrivate`: whether they may be at addresses that are not of the internet, and take plain HTTP. */
export function createAsker(options: { allowPrivate: boolean; resolve?: Resolve }): Asker {
  const { allowPrivate, resolve } = options;
  // Connections were checked when they were made, and are kept by host: nobody else's question goes over them.
  const kept = {
    keepAlive: true,
    maxSockets: MOST_CONNECTIONS,
    timeout: KEPT_ALIVE_MS,
    ...(allowPrivate ? {} : { lookup: publicLookup(resolve) }),
  };
  const agents = { 'http:': new HttpAgent(kept), 'https:': new HttpsAgent(kept) };

  function send(target: URL, headers: Record<string, string>, body: string, signal: AbortSignal) {
    const secure = target.protocol === 'https:';
    const request = secure ? requestHttps : requestHttp;
    const agent = secure ? agents['https:'] : agents['http:'];
    const sent = request(target, {
      method: 'POST',
      agent,
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      signal,
    });
    return new Promise<string>((resolve, reject) => {
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // The server closed a kept connection at that moment, and has not read the question.
        if (sent.reusedSocket && error.code === 'ECONNRESET') {
          send(target, headers, body, signal).then(resolve, reject);
        } else reject(error);
      });
      sent.on('upgrade', refuseUpgrade(reject));
      sent.on('response', (answer) => readAnswer(answer).then(resolve, reject));
      sent.end(body);
    });
  }

  return {
    async ask(url, headers, body, timeoutMs) {
      try {
        const target = new URL(url);
        if (!allowPrivate) checkTarget(target);
        const text = await send(target, headers, body, AbortSignal.timeout(timeoutMs));
        return { answer: parseObject(text), error: null };
      } catch (error) {
        return { answer: null, error: describe(error, timeoutMs) };
      }
    },
    stop() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

async function readAnswer(answer: IncomingMessage): Promise<string> {
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 299) {
    answer.destroy();
    const redirect = status >= 300 && status < 400;
    throw new Error(
      `the server answered ${status}, not 2xx${redirect ? ': redirects are not followed' : ''}`,
    );
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_ANSWER_BYTES) throw new Error(`the answer is longer than ${MOST_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseObject(text: string): Record<string, unknown> {
  if (text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What JSON.parse says holds some of the answer.
    throw new Error('the answer is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('the answer is not a JSON object');
  return value as Record<string, unknown>;
}
