import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { type HostPort, secretBytes, variables } from './config-variables.js';
import { CampanileError, messageOf } from './errors.js';

export type { HostPort } from './config-variables.js';

/** Everything an admin can set, checked. Each field names its environment variable; directories are absolute. */
export interface Config {
  /** DATABASE_URL: the PostgreSQL to use; null runs the embedded one. */
  databaseUrl: string | null;
  /** CAMPANILE_DATA: what must survive, such as the embedded database and the secret. */
  dataDir: string;
  /** CAMPANILE_CACHE: what can be made again. */
  cacheDir: string;
  /** CAMPANILE_LISTEN: where the HTTP API listens; port 0 takes any free one. */
  listen: HostPort;
  /** CAMPANILE_METRICS_LISTEN: where /metrics and /readyz are; port 0 takes any free one. */
  metricsListen: HostPort;
  /** CAMPANILE_AGI_LISTEN: where the FastAGI server listens. */
  agiListen: HostPort;
  /** CAMPANILE_AGI_URL: what Asterisk connects to, `agi://host:port` without a trailing slash. */
  agiUrl: string;
  /** CAMPANILE_SPOOL: Asterisk's spool directory, which holds `outgoing` and `outgoing_done`. */
  spoolDir: string;
  /** CAMPANILE_ASTERISK_RUN: where asterisk.pid and asterisk.ctl lie. */
  asteriskRunDir: string;
  /** CAMPANILE_SOUNDS: where message audio is written for Asterisk to play. */
  soundsDir: string;
  speech: {
    /** CAMPANILE_SPEECH_COMMAND: the engine and its arguments; null is espeak-ng. */
    command: string[] | null;
    /** CAMPANILE_SPEECH_AT_ONCE: how many engines run at once. */
    atOnce: number;
    /** CAMPANILE_SPEECH_KEEP: for how long what was spoken is kept unused. */
    keepSeconds: number;
    /** Where it is written, below `soundsDir`. */
    directory: string;
  };
  /** CAMPANILE_SPOOL_OWNER: who call files are given to; null leaves them as they are made. */
  spoolOwner: { uid: number; gid: number } | null;
  /** CAMPANILE_SPOOL_MODE: permission bits of call files. */
  spoolMode: number;
  /** CAMPANILE_TEMPLATES: a directory of additional call-file templates, or null. */
  templatesDir: string | null;
  /** CAMPANILE_PJSIP_FILE: where the SIP accounts of tenants are written for Asterisk. */
  pjsipFile: string;
  /** CAMPANILE_SIP_PRIVATE_HOSTS: whether a tenant's SIP account may be at an address of a private network. */
  allowPrivateHosts: boolean;
  /** CAMPANILE_WEBHOOK_PRIVATE_HOSTS: whether a tenant's webhook may be at an address of a private network, and take plain HTTP. */
  allowPrivateWebhooks: boolean;
  /** CAMPANILE_NODE: this node's name, 1 to 64 of A-Z a-z 0-9 . _ - */
  nodeName: string;
  /** CAMPANILE_NODE_PORTS: how many calls this node carries at once. */
  nodePorts: number;
  /** CAMPANILE_NODE_CALLS_PER_SECOND: how many calls this node starts in a second; null is without limit. */
  nodeCallsPerSecond: number | null;
  /** CAMPANILE_TEST_MODE: whether a sandbox node for test campaigns runs beside the node, or in its place. */
  testMode: 'on' | 'off' | 'only';
  /** CAMPANILE_TEST_PORTS: how many calls the sandbox node carries at once. */
  testPorts: number;
  /** CAMPANILE_SECRET: the key material tokens are signed, passwords of trunks and secrets of webhooks encrypted, and numbers of erased persons hashed with; null means the file that `loadSecret` keeps. */
  secret: string | null;
  /** CAMPANILE_JWT_JWKS_URL, _ISSUER, _AUDIENCE: whose tokens the API believes beside its own; null is nobody's. */
  jwtIssuer: { jwksUrl: string; issuer: string; audience: string } | null;
  /** CAMPANILE_TRUST_PROXY: how many proxies of ours stand before the API; 0 is none. */
  trustProxy: number;
  /** CAMPANILE_STOP_GRACE: seconds a stop waits for what is under way. */
  stopGraceSeconds: number;
  /** CAMPANILE_KEEP_FILES: seconds archived call files are kept; 0 removes them once they are counted. */
  keepFilesSeconds: number;
  /** CAMPANILE_LOG_LEVEL: one of pino's levels. */
  logLevel: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads and checks the environment; nothing else in Campanile does. An empty variable counts as absent.
 * Throws one CampanileError (`config_invalid`) with a sentence for each variable that is wrong or unknown.
 */
export function loadConfig(env: Environment = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const checked = variables.safeParse(given);
  const wrong = (checked.error?.issues ?? []).map((issue) => `${issue.path.join('.')} ${issue.message}`);
  const sentences = [...wrong, ...Object.keys(given).flatMap(describeUnknown), ...describeIncomplete(given)];
  if (!checked.success || sentences.length > 0) {
    throw new CampanileError('config_invalid', `the configuration is wrong:\n  ${sentences.join('\n  ')}`);
  }
  return withDefaults(checked.data, env);
}

function withDefaults(set: (typeof variables)['_output'], env: Environment): Config {
  const agiListen = set.CAMPANILE_AGI_LISTEN ?? { host: '127.0.0.1', port: 4573 };
  const spoolDir = set.CAMPANILE_SPOOL ?? '/var/spool/asterisk';
  const soundsDir = set.CAMPANILE_SOUNDS ?? join(spoolDir, 'campanile', 'sounds');
  return {
    databaseUrl: set.DATABASE_URL ?? null,
    dataDir: set.CAMPANILE_DATA ?? ownDirectory('/var/lib', env.XDG_DATA_HOME, '.local/share'),
    cacheDir: set.CAMPANILE_CACHE ?? ownDirectory('/var/cache', env.XDG_CACHE_HOME, '.cache'),
    listen: set.CAMPANILE_LISTEN ?? { host: '127.0.0.1', port: 8088 },
    metricsListen: set.CAMPANILE_METRICS_LISTEN ?? { host: '127.0.0.1', port: 8089 },
    agiListen,
    agiUrl: set.CAMPANILE_AGI_URL ?? agiUrlOf(agiListen),
    spoolDir,
    asteriskRunDir: set.CAMPANILE_ASTERISK_RUN ?? '/var/run/asterisk',
    soundsDir,
    speech: {
      command: set.CAMPANILE_SPEECH_COMMAND ?? null,
      atOnce: set.CAMPANILE_SPEECH_AT_ONCE ?? 2,
      keepSeconds: set.CAMPANILE_SPEECH_KEEP ?? 86_400,
      directory: join(soundsDir, 'speech'),
    },
    spoolOwner: set.CAMPANILE_SPOOL_OWNER ?? null,
    spoolMode: set.CAMPANILE_SPOOL_MODE ?? 0o660,
    templatesDir: set.CAMPANILE_TEMPLATES ?? null,
    pjsipFile: set.CAMPANILE_PJSIP_FILE ?? join(spoolDir, 'campanile', 'pjsip.conf'),
    allowPrivateHosts: set.CAMPANILE_SIP_PRIVATE_HOSTS === 'allow',
    allowPrivateWebhooks: set.CAMPANILE_WEBHOOK_PRIVATE_HOSTS === 'allow',
    nodeName:
      set.CAMPANILE_NODE ??
      (hostname()
        .replace(/[^\w.-]/g, '-')
        .slice(0, 64) ||
        'node'),
    nodePorts: set.CAMPANILE_NODE_PORTS ?? 100,
    nodeCallsPerSecond: set.CAMPANILE_NODE_CALLS_PER_SECOND ?? null,
    testMode: (set.CAMPANILE_TEST_MODE ?? 'on') as Config['testMode'],
    testPorts: set.CAMPANILE_TEST_PORTS ?? 20,
    secret: set.CAMPANILE_SECRET ?? null,
    jwtIssuer: jwtIssuerOf(set),
    trustProxy: set.CAMPANILE_TRUST_PROXY ?? 0,
    stopGraceSeconds: set.CAMPANILE_STOP_GRACE ?? 10,
    keepFilesSeconds: set.CAMPANILE_KEEP_FILES ?? 0,
    logLevel: set.CAMPANILE_LOG_LEVEL ?? 'info',
  };
}

/** Below `system` for root, else where the XDG Base Directory Specification puts a person's files. */
function ownDirectory(system: string, xdg: string | undefined, fallback: string): string {
  if (process.getuid?.() === 0) return join(system, 'campanile');
  // The specification says that a relative path there is to be ignored.
  return join(xdg?.startsWith('/') ? xdg : join(homedir(), fallback), 'campanile');
}

/** Where Asterisk on this machine reaches a server that listens there: a wildcard address is not one to connect to. */
function agiUrlOf({ host, port }: HostPort): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : /^[0:]*:[0:]*$/.test(host) ? '::1' : host;
  return `agi://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

const ISSUER_VARIABLES = ['CAMPANILE_JWT_JWKS_URL', 'CAMPANILE_JWT_ISSUER', 'CAMPANILE_JWT_AUDIENCE'];

/** An issuer whose `iss` or `aud` nobody checks would let in the tokens that it made for others. */
function describeIncomplete(given: Environment): string[] {
  const missing = ISSUER_VARIABLES.filter((name) => given[name] === undefined);
  if (missing.length === 0 || missing.length === ISSUER_VARIABLES.length) return [];
  return missing.map((name) => `${name} is missing: an outside issuer takes ${ISSUER_VARIABLES.join(', ')}`);
}

function jwtIssuerOf(set: (typeof variables)['_output']): Config['jwtIssuer'] {
  const jwksUrl = set.CAMPANILE_JWT_JWKS_URL;
  const issuer = set.CAMPANILE_JWT_ISSUER;
  const audience = set.CAMPANILE_JWT_AUDIENCE;
  return jwksUrl && issuer && audience ? { jwksUrl, issuer, audience } : null;
}

function describeUnknown(name: string): string[] {
  const known = Object.keys(variables.shape);
  if (!name.startsWith('CAMPANILE_') || known.includes(name)) return [];
  const nearest = known.toSorted((a, b) => editDistance(a, name) - editDistance(b, name))[0];
  return [`${name} is not a variable of campanile: did you mean ${nearest}?`];
}

/** Levenshtein's distance: how many letters to add, remove or change. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/**
 * The secret of this installation, at least 32 bytes: the configured one, else the text in `<dataDir>/secret`, which
 * is made at first use with mode 0600. Of several starters at once all get the same. Throws `secret_unusable`.
 */
export async function loadSecret(config: Pick<Config, 'secret' | 'dataDir'>): Promise<Buffer> {
  if (config.secret !== null) return Buffer.from(config.secret);
  const file = join(config.dataDir, 'secret');
  try {
    const found = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return createSecret(config.dataDir, file);
      throw error;
    });
    const secret = Buffer.from(found.toString().trim());
    if (secret.length >= secretBytes) return secret;
    throw new Error(`it has ${secret.length} bytes, of ${secretBytes} at least`);
  } catch (cause) {
    throw new CampanileError('secret_unusable', `cannot use the secret in ${file}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Writes a whole file and then links it, which only the first of several starters can; returns what then lies there. */
async function createSecret(dataDir: string, file: string): Promise<Buffer> {
  // Others may enter (the embedded Postgres runs as another user), but not look round.
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(48).toString('base64url')}\n`);
    await handle.sync();
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await handle.close();
    await unlink(draft);
  }
  return readFile(file);
}
