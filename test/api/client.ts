import { createServer } from 'node:net';
import { expect } from 'vitest';
import { z } from 'zod';
import type { ImportLimits } from '../../src/api/imports/imports.js';
import type { OutsideIssuer } from '../../src/api/outside-issuer.js';
import { problem } from '../../src/api/problem.js';
import type { Route, Services } from '../../src/api/route.js';
import { problemCodesOf } from '../../src/api/route-problems.js';
import { routes } from '../../src/api/routes.js';
import { type Api, createApi } from '../../src/api/server.js';
import type { ApiSpeech } from '../../src/api/speech.js';
import { issueToken } from '../../src/api/token.js';
import { loadConfig } from '../../src/config.js';
import type { Pool } from '../../src/db/pool.js';
import { createLog, type Logger } from '../../src/log.js';
import { convertPlainWav } from '../../src/messages/convert.js';
import { speechForApi } from '../../src/messages/speech/configured.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

export const secret = Buffer.from('a secret of the tests that has more than 32 bytes');
export const adminToken = issueToken(secret, { admin: true }, 3600);

/** What came back: `json` is null where there was none. */
export interface Reply {
  status: number;
  headers: Headers;
  bytes: Buffer;
  // Tests read answers of every shape; the schema that belongs to each was checked before.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  json: any;
}

/** The fields that a problem document names. */
export const fieldsOf = ({ errors }: { errors: readonly { field: string }[] }) =>
  errors.map(({ field }) => field);

/** The same in the order of the alphabet. */
export const sortedFieldsOf = (problem: Parameters<typeof fieldsOf>[0]) => fieldsOf(problem).sort();

export interface Sent {
  token?: string | undefined;
  headers?: Record<string, string>;
  /** Anything but a Buffer or a string is sent as JSON. */
  body?: unknown;
  type?: string;
}

export interface ApiFixture {
  api: Api;
  db: TestDatabase;
  url: string;
  /** Sends a request and checks that the answer fits the schema of its route, or is a problem document. */
  send(method: string, path: string, sent?: Sent): Promise<Reply>;
  stop(): Promise<void>;
}

export interface ApiOptions {
  log?: Logger;
  importLimits?: ImportLimits;
  hasTemplate?: (name: string) => boolean;
  /** Without it, of plain WAV files alone. */
  convertAudio?: Services['convertAudio'];
  allowPrivateWebhooks?: boolean;
  outsideIssuer?: OutsideIssuer;
  trustProxy?: number;
  requestMs?: number;
  stalledMs?: number;
  speech?: ApiSpeech;
  poolOf?: (pool: Pool) => Pool;
}

/** The API on a free port, on a database of its own. */
export async function startApi(options: ApiOptions = {}): Promise<ApiFixture> {
  const db = await createTestDatabase();
  const { poolOf = (pool) => pool, ...others } = options;
  const api = createApi({
    pool: poolOf(db.pool),
    secret,
    log: createLog('silent'),
    speech: speechForApi(loadConfig({})),
    convertAudio: convertPlainWav,
    ...others,
  });
  const { port } = await api.start({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    api,
    db,
    url,
    send: (method, path, sent) => send(url, method, path, sent ?? {}),
    async stop() {
      await api.stop(0);
      await db.drop();
    },
  };
}

/** The route that a request is for, by OpenAPI's form of paths. */
export function routeOf(method: string, path: string): Route | undefined {
  const plain = path.replace(/\?.*/, '');
  return routes.find(
    (route) =>
      route.method === method.toLowerCase() &&
      new RegExp(`^${route.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(plain),
  );
}

async function send(url: string, method: string, path: string, sent: Sent): Promise<Reply> {
  const response = await fetch(url + path, {
    method: method.toUpperCase(), // fetch does so itself, but not for patch
    headers: {
      ...(sent.token === undefined ? {} : { Authorization: `Bearer ${sent.token}` }),
      ...(sent.body === undefined ? {} : { 'Content-Type': sent.type ?? 'application/json' }),
      ...sent.headers,
    },
    ...(sent.body === undefined ? {} : { body: rawBody(sent.body) }),
    redirect: 'manual',
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get('Content-Type') ?? '';
  const json = /^application\/(problem\+)?json/.test(type) ? JSON.parse(bytes.toString()) : null;
  if (response.status >= 400) expectProblem(routeOf(method, path), response.status, type, json);
  else expectAnswer(routeOf(method, path), response.status, json);
  return { status: response.status, headers: response.headers, bytes, json };
}

function rawBody(body: unknown): string | Buffer<ArrayBuffer> {
  if (typeof body === 'string') return body;
  return Buffer.isBuffer(body) ? Buffer.from(body) : JSON.stringify(body);
}

function expectProblem(route: Route | undefined, status: number, type: string, json: unknown): void {
  expect(type).toMatch(/^application\/problem\+json/);
  const found = problem.parse(json);
  expect(found.status).toBe(status);
  if (route) expect(problemCodesOf(route), `${route.method} ${route.path}`).toContain(found.code);
}

function expectAnswer(route: Route | undefined, status: number, json: unknown): void {
  if (!route || status >= 300) return;
  if (!(route.ranges && status === 206)) expect(status).toBe(route.status);
  if (route.answer === null) expect(json).toBeNull();
  if (!(route.answer instanceof z.ZodType)) return;
  const checked = route.answer.safeParse(json);
  if (!checked.success) {
    throw new Error(`${route.method} ${route.path} answers what its schema does not say: ${checked.error}`);
  }
}

/** A port of the loopback interface that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
