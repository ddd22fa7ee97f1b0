import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { parseDuration } from './calls/duration.js';
import { messageOf } from './errors.js';

/** A host name or address (IPv6 without brackets) and a TCP port. */
export interface HostPort {
  host: string;
  port: number;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
/** RFC 7518, 3.2: a key for HS256 must be as long as its hash. */
export const secretBytes = 32;

/** Turns a text into a value, or throws what is wrong with it, or returns undefined when `rule` says it all. */
type Parse<T> = (text: string) => T | undefined;

/** A variable that may be absent: `rule` completes "must be ..."; a hidden one is never repeated in the error. */
function variable<T>(rule: string, example: string, parse: Parse<T>, hidden = false) {
  return z
    .string()
    .transform((text, context): T => {
      const shown = hidden ? 'its value is not shown' : `not ${JSON.stringify(text)}`;
      let reason = '';
      try {
        const value = parse(text);
        if (value !== undefined) return value;
      } catch (error) {
        reason = `: ${messageOf(error)}`;
      }
      context.addIssue({
        code: 'custom',
        message: `must be ${rule}, for example ${example} (${shown})${reason}`,
      });
      return z.NEVER;
    })
    .optional();
}

const text = (pattern: RegExp) => (value: string) => (pattern.test(value) ? value : undefined);

function integer(least: number, most: number): Parse<number> {
  return (value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : undefined;
  };
}

function hostPort(leastPort: number): Parse<HostPort> {
  return (value) => {
    const [, ipv6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(value) ?? [];
    const host = ipv6 ?? name;
    if (host === undefined || Number(port) < leastPort || Number(port) > 65_535) return undefined;
    return { host, port: Number(port) };
  };
}

/** Only what neither a call file (; starts a comment) nor a dialplan ($ , & ( " and others) reads as its own. */
const agiUrl: Parse<string> = (value) => {
  const address = /^agi:\/\/(.+)$/.exec(value)?.[1];
  return address !== undefined && hostPort(1)(address) ? value : undefined;
};

const postgresUrl: Parse<string> = (value) => {
  if (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value)) return undefined;
  const { hostname, searchParams } = new URL(value);
  return hostname !== '' || searchParams.has('host') ? value : undefined;
};

/** Keys that somebody on the way could change are worth nothing, hence https beyond this machine. */
const jwksUrl: Parse<string> = (value) => {
  if (!URL.canParse(value)) return undefined;
  const { protocol, hostname, username, password } = new URL(value);
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLocal);
  return isSafe && username === '' && password === '' ? value : undefined;
};

const directory: Parse<string> = (value) => resolve(value);

/** Playback takes `a&b` for two files, and commas, brackets and the like have a meaning in a dialplan. */
const soundsDirectory: Parse<string> = (value) =>
  /^[\w./@%+=:-]+$/.test(resolve(value)) ? resolve(value) : undefined;

/** Not as a shell would read it: a text with a quote in it must never be a second command. */
const speechCommand: Parse<string[]> = (value) => {
  const argv: unknown = JSON.parse(value);
  const isArgv = Array.isArray(argv) && argv.every((argument) => typeof argument === 'string');
  if (!isArgv || !/^[^{]*[^{\s][^{]*$/.test(argv[0] ?? '')) return undefined;
  const unknown = argv.join(' ').match(/\{(?!(?:text|language|voice|output)\})\w+\}/);
  if (unknown)
    throw new Error(`there is no ${unknown[0]}: there are {text}, {language}, {voice} and {output}`);
  return argv.some((argument) => argument.includes('{output}')) ? argv : undefined;
};

/** It is named in double quotes in pjsip.conf. */
const file: Parse<string> = (value) => (/^[\w./@%+:-]+$/.test(resolve(value)) ? resolve(value) : undefined);

/** The number of a user or group, as given or from the third field of its line in `file`. */
function idOf(name: string, file: string): number {
  if (/^\d{1,9}$/.test(name)) return Number(name);
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`there is no ${name} in ${file}`);
  return Number(line.split(':')[2]);
}

const owner: Parse<{ uid: number; gid: number }> = (value) => {
  const [, user, group] = /^([\w.-]+):([\w.-]+)$/.exec(value) ?? [];
  if (user === undefined || group === undefined) return undefined;
  return { uid: idOf(user, '/etc/passwd'), gid: idOf(group, '/etc/group') };
};

/** Whole bytes, since a secret's strength is what an attacker has to guess, not how many letters it shows. */
const secret: Parse<string> = (value) => (Buffer.byteLength(value) >= secretBytes ? value : undefined);

const callsPerSecond: Parse<number> = (value) => {
  const number = /^\d{1,6}(\.\d{1,3})?$/.test(value) ? Number(value) : 0;
  return number > 0 ? number : undefined;
};

const port = 'host:port (IPv6 in brackets)';
const path = 'the path of a directory';

/** Every variable there is, each with its check. An absent one stays undefined: `loadConfig` knows the defaults. */
export const variables = z.object({
  DATABASE_URL: variable(
    'a postgres:// URL',
    'postgres://campanile:password@db:5432/campanile',
    postgresUrl,
    true,
  ),
  CAMPANILE_DATA: variable(path, '/var/lib/campanile', directory),
  CAMPANILE_CACHE: variable(path, '/var/cache/campanile', directory),
  CAMPANILE_LISTEN: variable(port, '127.0.0.1:8088', hostPort(0)),
  CAMPANILE_METRICS_LISTEN: variable(port, '127.0.0.1:8089', hostPort(0)),
  CAMPANILE_AGI_LISTEN: variable(port, '127.0.0.1:4573', hostPort(1)),
  CAMPANILE_AGI_URL: variable('agi://host:port and nothing after it', 'agi://127.0.0.1:4573', agiUrl),
  CAMPANILE_SPOOL: variable(path, '/var/spool/asterisk', directory),
  CAMPANILE_ASTERISK_RUN: variable(path, '/var/run/asterisk', directory),
  CAMPANILE_SOUNDS: variable(
    `${path} of letters, digits and _ . / @ % + = : - only, because a dialplan gives others a meaning`,
    '/var/spool/asterisk/campanile/sounds',
    soundsDirectory,
  ),
  CAMPANILE_SPEECH_COMMAND: variable(
    'a JSON array of a program and its arguments, one of them with {output} in it',
    '["speak", "--voice", "{voice}", "--output", "{output}"]',
    speechCommand,
  ),
  CAMPANILE_SPEECH_AT_ONCE: variable('a whole number from 1 to 64', '2', integer(1, 64)),
  CAMPANILE_SPEECH_KEEP: variable('a duration of 1h at least', '24h', (value) => {
    const seconds = parseDuration(value);
    return seconds >= 3600 ? seconds : undefined;
  }),
  CAMPANILE_SPOOL_OWNER: variable('user:group, names or numbers', 'asterisk:asterisk', owner),
  CAMPANILE_SPOOL_MODE: variable('an octal file mode that its owner can read', '0660', (value) => {
    const mode = /^0?[0-7]{3}$/.test(value) ? Number.parseInt(value, 8) : 0;
    return (mode & 0o400) !== 0 ? mode : undefined;
  }),
  CAMPANILE_TEMPLATES: variable(path, '/etc/campanile/templates', directory),
  CAMPANILE_PJSIP_FILE: variable(
    'the path of a file, of letters, digits and _ . / @ % + : - only',
    '/etc/asterisk/campanile-pjsip.conf',
    file,
  ),
  CAMPANILE_SIP_PRIVATE_HOSTS: variable('allow or refuse', 'refuse', text(/^(allow|refuse)$/)),
  CAMPANILE_WEBHOOK_PRIVATE_HOSTS: variable('allow or refuse', 'refuse', text(/^(allow|refuse)$/)),
  CAMPANILE_NODE: variable(
    '1 to 64 letters, digits, dots, underscores or hyphens',
    'pbx-1',
    text(/^[\w.-]{1,64}$/),
  ),
  CAMPANILE_NODE_PORTS: variable('a whole number from 1 to 100000', '100', integer(1, 100_000)),
  CAMPANILE_NODE_CALLS_PER_SECOND: variable('a number above 0', '10', callsPerSecond),
  CAMPANILE_TEST_MODE: variable('on, off or only', 'on', text(/^(on|off|only)$/)),
  CAMPANILE_TEST_PORTS: variable('a whole number from 1 to 1000', '20', integer(1, 1000)),
  CAMPANILE_SECRET: variable(
    `at least ${secretBytes} bytes`,
    'what "openssl rand -hex 32" prints',
    secret,
    true,
  ),
  CAMPANILE_JWT_JWKS_URL: variable(
    'an https:// URL (http:// for localhost only) without a password',
    'https://login.example.org/.well-known/jwks.json',
    jwksUrl,
  ),
  CAMPANILE_JWT_ISSUER: variable(
    'the iss of the tokens, and not campanile, which is ours',
    'https://login.example.org/',
    (value) => (value === 'campanile' ? undefined : value),
  ),
  CAMPANILE_JWT_AUDIENCE: variable('the aud of the tokens', 'campanile', text(/\S/)),
  CAMPANILE_TRUST_PROXY: variable('how many proxies stand before the API, 0 to 10', '1', integer(0, 10)),
  CAMPANILE_STOP_GRACE: variable('a duration', '10s', parseDuration),
  CAMPANILE_KEEP_FILES: variable('a duration', '7d', parseDuration),
  // Read by `campanile import` (src/cli/import.ts); known here so that a shell that has them can run every command.
  CAMPANILE_URL: variable(
    'the http:// or https:// address of an API',
    'http://127.0.0.1:8088',
    text(/^https?:\/\//),
  ),
  CAMPANILE_TOKEN: variable('a token', 'what "campanile token" prints', text(/^[\w.~+/=-]+$/), true),
  CAMPANILE_LOG_LEVEL: variable(`one of ${logLevels.join(' ')}`, 'info', (value) =>
    logLevels.includes(value) ? value : undefined,
  ),
});
