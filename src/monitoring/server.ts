import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HostPort } from '../config.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Metrics } from './metrics.js';
import type { Readiness } from './readiness.js';

/** Where /metrics, /readyz and /healthz are. */
export interface MonitoringServer {
  /** Listens, and tries again for as long as it cannot: nobody's call waits for that. */
  start(): Promise<void>;
  /** Where it listens; null while it does not. */
  readonly port: number | null;
  stop(): Promise<void>;
}

const AGAIN_MS = 10_000;
const TEXT = 'text/plain; charset=utf-8';

export function createMonitoringServer(options: {
  listen: HostPort;
  metrics: Metrics;
  readiness: Readiness;
  log: Logger;
  againMs?: number;
}): MonitoringServer {
  const { listen, metrics, readiness, log, againMs = AGAIN_MS } = options;
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      log.error({ err: error }, 'cannot answer a request for monitoring');
      if (response.headersSent) response.destroy();
      else send(response, 500, TEXT, 'this failed: the log says why\n');
    });
  });
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(response, 405, TEXT, 'only GET is served here\n');
    if (path === '/healthz') return send(response, 200, 'application/json', '{"status":"ok"}\n');
    if (path === '/metrics') {
      return send(response, 200, metrics.registry.contentType, await metrics.text());
    }
    if (path === '/readyz') {
      const checks = await readiness.look();
      const ready = checks.every((check) => check.ready);
      return send(response, ready ? 200 : 503, 'application/json', `${JSON.stringify({ ready, checks })}\n`);
    }
    send(response, 404, TEXT, 'there are /metrics, /readyz and /healthz here\n');
  }

  function tryToListen(): Promise<void> {
    return new Promise((resolve) => {
      const failed = (error: Error) => {
        const where = `${listen.host}:${listen.port}`;
        log.error(
          { reason: messageOf(error), again: againMs / 1000 },
          `cannot listen for monitoring on ${where} (CAMPANILE_METRICS_LISTEN)`,
        );
        if (!stopped) timer = setTimeout(() => void tryToListen(), againMs);
        resolve();
      };
      server.once('error', failed);
      server.listen({ host: listen.host, port: listen.port }, () => {
        server.off('error', failed);
        server.on('error', (error) => log.error({ err: error }, 'the listener for monitoring failed'));
        resolve();
      });
    });
  }

  return {
    start: tryToListen,
    get port() {
      return (server.address() as AddressInfo | null)?.port ?? null;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      return new Promise((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
