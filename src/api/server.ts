import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { findInstallationFacts } from '../db/campaign-facts.js';
import type { Pool } from '../db/pool.js';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { createNumberHash } from '../number-hash.js';
import { createPasswordSeal, createWebhookSeal } from '../seal.js';
import { createApp } from './app.js';
import { createAuthenticate } from './authenticate.js';
import { closeWith, oneAtATime, STALLED_MS } from './connections.js';
import { setDeadline } from './deadline.js';
import { createNews, type News } from './events/news.js';
import { createStreams, type StreamLimits } from './events/streams.js';
import { createIdempotency } from './idempotency.js';
import { createImports, type ImportLimits } from './imports/imports.js';
import { createKeyUse } from './key-use.js';
import type { OutsideIssuer } from './outside-issuer.js';
import { problemOf } from './problem.js';
import { createRateLimits } from './rate-limits.js';
import type { Services } from './route.js';
import { type ApiSpeech, NO_SPEECH } from './speech.js';

/** The HTTP API as a part of the program that can be started and stopped. */
export interface Api {
  /** Listens; resolves with the port, which the system chooses for port 0. Throws a CampanileError (`cannot_listen`). */
  start(where: { host: string; port: number }): Promise<{ port: number }>;
  /**
   * Takes no more requests and resolves when the last is answered, or after `graceMs` (5000) when those that are not
   * are cut off. May be called twice, or without a start.
   */
  stop(graceMs?: number): Promise<void>;
}

const SECOND = 1000;
/**
 * How long a request may take to arrive, unless it is a stream: long enough for 25 MiB over a slow line, short enough to be
 * rid of who sends a byte a second.
 */
const REQUEST_MS = 300 * SECOND;

/**
 * Makes the API, behind `trustProxy` (0) proxies. `secret` signs the tokens, of which those of `outsideIssuer` are good too,
 * and seals the passwords of trunks. Exports read over `exportPool`, which should have MOST_EXPORTS connections; without one
 * over `pool`, of which slow readers then keep some. `news` tells streams of new events; without it they look every few seconds. Throws a CampanileError (`secret_too_short`) below 32 bytes.
 */
export function createApi(options: {
  pool: Pool;
  exportPool?: Pool;
  secret: Uint8Array;
  outsideIssuer?: OutsideIssuer | null;
  trustProxy?: number;
  log: Logger;
  /** What /readyz tells; without it nothing is missing. */
  ready?: Services['ready'];
  hasTemplate?: Services['hasTemplate'];
  convertAudio: Services['convertAudio'];
  allowPrivateHosts?: boolean;
  allowPrivateWebhooks?: boolean;
  /** Without one nothing can be spoken. */
  speech?: ApiSpeech;
  news?: News;
  streamLimits?: StreamLimits | undefined;
  importLimits?: ImportLimits | undefined;
  requestMs?: number;
  stalledMs?: number;
}): Api {
  let stopping = false;
  const { pool, exportPool = pool, log, hasTemplate, convertAudio, allowPrivateHosts = false } = options;
  const { requestMs = REQUEST_MS, stalledMs = STALLED_MS } = options;
  const limits = createRateLimits();
  const keyUse = createKeyUse(pool, log);
  const authenticate = createAuthenticate({ ...options, db: pool, keyUse, limits });
  const installation: Services['installation'] = (pbxTrunks, test) =>
    findInstallationFacts(pool, pbxTrunks, test);
  const passwords = createPasswordSeal(options.secret);
  const hashNumber = createNumberHash(options.secret);
  const imports = createImports(pool, log, options.importLimits);
  const streams = createStreams({ log, news: options.news ?? createNews(), limits: options.streamLimits });
  const webhooks = {
    secrets: createWebhookSeal(options.secret),
    allowPrivateHosts: options.allowPrivateWebhooks ?? false,
  };
  const databases = { pool, exportPool, imports, installation };
  const idempotency = createIdempotency(options.secret);
  const secrets = { passwords, hashNumber, idempotency };
  const checks = { limits, hasTemplate, convertAudio, allowPrivateHosts };
  const speech = options.speech ?? NO_SPEECH;
  const ready = options.ready ?? (async () => []);
  const common = { ...databases, ...secrets, ...checks, streams, log, webhooks, speech, ready };
  const app = createApp(common, authenticate, () => stopping, options.trustProxy ?? 0);
  const answer = oneAtATime(app.callback(), stalledMs);
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      headersTimeout: 10 * SECOND,
      // REQUEST_MS takes its place: Node's own has no exception.
      requestTimeout: 0,
      connectionsCheckingInterval: 5 * SECOND,
      // Longer than load balancers keep a connection idle, or they send into one that was just closed.
      keepAliveTimeout: 65 * SECOND,
    },
    (req, res) => {
      setDeadline(req, requestMs, () =>
        refuse(Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), req.socket),
      );
      answer(req, res);
    },
  );
  server.on('clientError', refuse);
  // Node would answer 417, without a word. What a client expects that nobody knows may be ignored (RFC 9110 section 10.1.1).
  server.on('checkExpectation', (req, res) => server.emit('request', req, res));
  let stopped: Promise<void> | undefined;

  return {
    start: ({ host, port }) =>
      new Promise((resolve, reject) => {
        const fail = (cause: Error) =>
          reject(
            new CampanileError('cannot_listen', `cannot listen on ${host}:${port}: ${messageOf(cause)}`, {
              cause,
            }),
          );
        server.once('error', fail);
        server.listen({ host, port }, () => {
          server.off('error', fail);
          resolve({ port: (server.address() as AddressInfo).port });
        });
      }),

    stop: (graceMs = 5 * SECOND) => {
      stopping = true;
      const late = performance.now() + graceMs;
      streams.stop();
      stopped ??= close(server, graceMs)
        .then(() => imports.stop(Math.max(0, late - performance.now())))
        .then(() => keyUse.settled());
      return stopped;
    },
  };
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cutOff);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** Answers what is no HTTP, came too slowly or has too large headers: none of it ever gets to be a request. */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const problem =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? problemOf('request_timeout', 'the request did not arrive in time')
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? problemOf('headers_too_large', 'the headers are too large')
        : problemOf('http_invalid', 'this is not a valid HTTP request');
  const body = JSON.stringify(problem);
  closeWith(
    socket,
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
