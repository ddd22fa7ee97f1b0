import { type AgiScript, type AgiServer, createAgiServer } from '../agi/server.js';
import type { Config } from '../config.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type Finding, failed, ok } from './finding.js';

/** The doctor's own FastAGI server. */
export interface AgiListener {
  finding: Finding;
  /** What Asterisk is to connect to, `agi://host:port`; null when nothing listens. */
  url: string | null;
  stop(): Promise<void>;
}

/**
 * Listens for FastAGI where the configuration says, or, when `campanile serve` does so already, on another free port of
 * the same host. `serveRuns` is whether a Campanile is known to run; null when that is not known.
 */
export async function listenForAgi(
  config: Pick<Config, 'agiListen' | 'agiUrl'>,
  scripts: Readonly<Record<string, AgiScript>>,
  serveRuns: boolean | null,
  log: Logger,
): Promise<AgiListener> {
  const { host, port } = config.agiListen;
  const wanted = createAgiServer({ host, port, scripts, log });
  try {
    await wanted.start();
    const where = `listening on ${host}:${port} for this check, as "campanile serve" will; Asterisk is told ${config.agiUrl}`;
    return listening(wanted, config.agiUrl, where);
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return listenElsewhere(config, scripts, serveRuns, log);
    const remedy = `CAMPANILE_AGI_LISTEN must name an address of this machine, and a port that we may use (above 1023)`;
    return { finding: failed('FastAGI', messageOf(error), remedy), url: null, stop: async () => {} };
  }
}

async function listenElsewhere(
  { agiListen: { host, port }, agiUrl }: Pick<Config, 'agiListen' | 'agiUrl'>,
  scripts: Readonly<Record<string, AgiScript>>,
  serveRuns: boolean | null,
  log: Logger,
): Promise<AgiListener> {
  if (serveRuns === false) {
    const who = `ss -ltnp 'sport = :${port}'`;
    const detail = `another program listens on ${host}:${port}, and "campanile serve" does not run as this node`;
    const finding = failed('FastAGI', detail, `see which one: ${who}; end it, or set CAMPANILE_AGI_LISTEN`);
    return { finding, url: null, stop: async () => {} };
  }
  const server = createAgiServer({ host, port: 0, scripts, log });
  const free = (await server.start()).port;
  const url = agiUrl.replace(/:\d+$/, `:${free}`);
  const who = serveRuns ? '"campanile serve" has' : 'some program (campanile serve?) has';
  return listening(
    server,
    url,
    `${who} ${host}:${port}; listening on port ${free} for this check, so Asterisk is told ${url}`,
  );
}

function listening(server: AgiServer, url: string, detail: string): AgiListener {
  return { finding: ok('FastAGI', detail), url, stop: () => server.stop(0) };
}

function codeOf(error: unknown): string | undefined {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
}
