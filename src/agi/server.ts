import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { AgiConnection } from './connection.js';
import { HangupError } from './errors.js';
import { AGI_LIMITS, type AgiLimits, mostStrangers } from './limits.js';
import { onceAMinute } from './once-a-minute.js';
import { AgiSession } from './session.js';
import { createStrangers } from './strangers.js';

/** What serves a call. The connection is closed when it resolves; when it throws, AGISTATUS becomes FAILURE. */
export type AgiScript = (session: AgiSession) => Promise<void>;

export type AgiServerOptions = {
  /** The address to listen on; loopback unless said otherwise, since a connection is believed. */
  host?: string;
  /** 4573 is Asterisk's default; 0 takes any free port. */
  port?: number;
  /** Connections the kernel keeps until we take them: all calls of a large campaign may be answered at once. */
  backlog?: number;
  log: Logger;
  /** By path, with or without the leading slash: `{ answered: ... }` serves AGI(agi://host/answered). */
  scripts: Readonly<Record<string, AgiScript>>;
  limits?: Partial<AgiLimits>;
  /** When so many calls are being served, connections are turned away (AGISTATUS=FAILURE). */
  maxSessions?: number;
  /** So many connections may have shown no token; by default a share of the files that may be open. */
  maxStrangers?: number;
  observe?: AgiObserver | undefined;
};

/** Who is told of sessions. `script` is the name of one of the server's, or `unknown`. */
export type AgiObserver = {
  /** The first command went out, so many seconds after the connection came. */
  firstCommand(script: string, seconds: number): void;
  /** It is over: it was served, the call ended before, it could not be served, or too many were open. */
  ended(script: string, result: 'served' | 'hangup' | 'failed' | 'refused'): void;
};

export type AgiServer = {
  /** Listens and resolves with the port. Again while running: the same. @throws CampanileError `agi_listen` */
  start(): Promise<{ port: number }>;
  /**
   * Takes no more connections, gives the open ones `graceMs` (10 s) to end, and closes what is left. Resolves when all
   * are closed and their scripts are over; a script that goes on for a second after its call was closed is left behind.
   */
  stop(graceMs?: number): Promise<void>;
  /** Connections open or scripts at work. */
  readonly sessions: number;
  /** Whether it takes connections. */
  readonly listening: boolean;
};

/** How long a script may go on after its connection was closed under it. */
const SCRIPT_GRACE_MS = 1_000;

/** A FastAGI server on ding-dong: each connection runs the script that its URL names. */
export function createAgiServer(options: AgiServerOptions): AgiServer {
  const { host = '127.0.0.1', port = 4573, backlog = 4096, log, maxSessions = 10_000, observe } = options;
  const limits: AgiLimits = { ...AGI_LIMITS, ...options.limits };
  const limited = onceAMinute(log);
  const scripts = new Map(Object.entries(options.scripts).map(([path, script]) => [plainPath(path), script]));
  const sessions = new Map<AgiConnection, Promise<void>>();
  /** Those that have shown the token of a call. */
  const served = new Set<AgiConnection>();
  const strangers = createStrangers(options.maxStrangers ?? mostStrangers(ownLimits()), (connections) =>
    limited(
      'warn',
      'strangers',
      { connections },
      'closed agi connections that had not shown the token of a call',
    ),
  );
  let running: { server: Server; listening: Promise<{ port: number }> } | undefined;
  let stopping: Promise<void> = Promise.resolve();

  function report(error: unknown): void {
    limited('error', `fault:${kindOf(error)}`, { err: error }, `agi session: ${messageOf(error)}`);
  }

  function accept(socket: Socket): void {
    const connection = new AgiConnection(socket, limits, report);
    const over = serve(connection)
      .catch(report)
      .finally(() => {
        strangers.delete(connection);
        served.delete(connection);
        sessions.delete(connection);
      });
    sessions.set(connection, over);
    strangers.add(connection);
  }

  async function serve(connection: AgiConnection): Promise<void> {
    const began = performance.now();
    let script = 'unknown';
    connection.onFirstCommand = () => observe?.firstCommand(script, (performance.now() - began) / 1000);
    if (served.size >= maxSessions) {
      connection.request.catch(() => {});
      observe?.ended(script, 'refused');
      limited('error', 'full', { most: maxSessions }, `cannot take an agi session: ${maxSessions} are open`);
      return connection.fail();
    }
    try {
      const admit = () => {
        strangers.delete(connection);
        served.add(connection);
      };
      const request = await connection.request;
      if (scripts.has(plainPath(request.script))) script = plainPath(request.script);
      await runScript(new AgiSession(connection, request, admit));
      observe?.ended(script, 'served');
      await connection.end();
    } catch (error) {
      observe?.ended(script, error instanceof HangupError ? 'hangup' : 'failed');
      logFailure(connection, error);
      await (error instanceof HangupError ? connection.end() : connection.fail());
    }
  }

  async function runScript(session: AgiSession): Promise<void> {
    const path = plainPath(session.request.script);
    const script = scripts.get(path);
    if (!script)
      throw new CampanileError(
        'agi_unknown_script',
        `cannot serve agi: no script is called "${path.slice(0, 200)}"`,
      );
    await script(session);
  }

  function logFailure(connection: AgiConnection, error: unknown): void {
    // Without its query, where a dialplan may have put a secret.
    const request = connection.variables.agi_request?.split('?')[0]?.slice(0, 200) ?? '';
    if (error instanceof HangupError) {
      log.debug({ request }, 'agi script ended by hangup');
      return;
    }
    const kind = error instanceof CampanileError ? error.code : `${request}:${kindOf(error)}`;
    limited('error', kind, { err: error, request }, `agi session failed: ${messageOf(error)}`);
  }

  function listen(): Promise<{ port: number }> {
    const server = createServer({ noDelay: true, keepAlive: true }, accept);
    const listening = new Promise<{ port: number }>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog }, () => {
        server.removeListener('error', reject);
        // A failed accept comes here as well and must not end the process; one for want of files does not: see strangers.ts.
        server.on('error', report);
        const address = server.address();
        resolve({ port: typeof address === 'object' && address ? address.port : port });
      });
    }).catch((cause: unknown) => {
      if (running?.server === server) running = undefined;
      throw new CampanileError(
        'agi_listen',
        `cannot listen for agi on ${host}:${port}: ${messageOf(cause)}`,
        { cause },
      );
    });
    running = { server, listening };
    return listening;
  }

  async function close(server: Server, listening: Promise<unknown>, graceMs: number): Promise<void> {
    const listened = await listening.then(
      () => true,
      () => false,
    );
    if (!listened) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await atMost(graceMs, allOver());
    for (const connection of sessions.keys()) connection.destroy();
    await closed;
    await atMost(SCRIPT_GRACE_MS, allOver());
    if (sessions.size > 0)
      log.error({ scripts: sessions.size }, 'agi scripts go on after their calls were closed');
  }

  const allOver = () => Promise.all(sessions.values());

  return {
    start: () => running?.listening ?? listen(),
    stop(graceMs = 10_000) {
      if (running) {
        const { server, listening } = running;
        running = undefined;
        stopping = close(server, listening, graceMs);
      }
      return stopping;
    },
    get sessions() {
      return sessions.size;
    },
    get listening() {
      return running?.server.listening ?? false;
    },
  };
}

/** What the system lets this process have; empty where it does not tell. */
function ownLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return '';
  }
}

/** Waits for `work`, but not longer than `ms`. */
async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([work, delay(ms, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}

const plainPath = (path: string) => path.replace(/^\/+/, '');

const kindOf = (error: unknown) =>
  error instanceof CampanileError ? error.code : error instanceof Error ? error.name : 'thrown';
