import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

/** An answer as it came. */
export interface Exchange {
  status: number;
  headers: IncomingHttpHeaders;
  /** Null of a stream that goes on for ever: it was left. */
  bytes: Buffer | null;
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** Sends what no well-meaning client would: a path and headers as they are. */
export function exchange(
  base: string,
  method: string,
  path: string,
  headers: Record<string, string>,
  body: Buffer | undefined,
): Promise<Exchange> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const sent = request({ agent, hostname, port, method, path, headers, timeout: 60_000 });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
    sent.on('response', (answer) => {
      const endless =
        answer.headers['content-type']?.startsWith('text/event-stream') && !path.includes('follow=false');
      if (endless) {
        resolve({ status: answer.statusCode!, headers: answer.headers, bytes: null });
        answer.on('error', () => {});
        answer.destroy();
      } else
        readAll(answer).then(
          (bytes) => resolve({ status: answer.statusCode!, headers: answer.headers, bytes }),
          reject,
        );
    });
    sent.end(body);
  });
}

async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
