import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadConfig, loadSecret } from '../src/config.js';
import { CampanileError } from '../src/errors.js';

/** The sentences of the error that this environment leads to. */
function complaintsAbout(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(CampanileError);
    expect((error as CampanileError).code).toBe('config_invalid');
    const [head, ...sentences] = (error as CampanileError).message.split('\n');
    expect(head).toBe('the configuration is wrong:');
    return sentences.map((sentence) => sentence.trim());
  }
  return [];
}

describe('defaults', () => {
  afterEach(() => vi.restoreAllMocks());

  test('of root are the places of a system service', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(0);
    expect(loadConfig({})).toEqual({
      databaseUrl: null,
      dataDir: '/var/lib/campanile',
      cacheDir: '/var/cache/campanile',
      listen: { host: '127.0.0.1', port: 8088 },
      metricsListen: { host: '127.0.0.1', port: 8089 },
      agiListen: { host: '127.0.0.1', port: 4573 },
      agiUrl: 'agi://127.0.0.1:4573',
      spoolDir: '/var/spool/asterisk',
      asteriskRunDir: '/var/run/asterisk',
      soundsDir: '/var/spool/asterisk/campanile/sounds',
      speech: {
        command: null,
        atOnce: 2,
        keepSeconds: 86_400,
        directory: '/var/spool/asterisk/campanile/sounds/speech',
      },
      spoolOwner: null,
      spoolMode: 0o660,
      templatesDir: null,
      pjsipFile: '/var/spool/asterisk/campanile/pjsip.conf',
      allowPrivateHosts: false,
      allowPrivateWebhooks: false,
      nodeName: hostname(),
      nodePorts: 100,
      nodeCallsPerSecond: null,
      testMode: 'on',
      testPorts: 20,
      secret: null,
      jwtIssuer: null,
      trustProxy: 0,
      stopGraceSeconds: 10,
      keepFilesSeconds: 0,
      logLevel: 'info',
    });
  });

  test('of anybody else follow XDG', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    const config = loadConfig({ XDG_DATA_HOME: '/home/a/data', XDG_CACHE_HOME: 'relative/is/ignored' });
    expect(config.dataDir).toBe('/home/a/data/campanile');
    expect(config.cacheDir).toMatch(/^\/.*\/\.cache\/campanile$/);
  });

  test('let Asterisk connect to where the FastAGI server listens', () => {
    const agiUrlAt = (listen: string) => loadConfig({ CAMPANILE_AGI_LISTEN: listen }).agiUrl;
    expect(agiUrlAt('10.0.0.5:4000')).toBe('agi://10.0.0.5:4000');
    expect(agiUrlAt('0.0.0.0:4573')).toBe('agi://127.0.0.1:4573');
    expect(agiUrlAt('[::]:4573')).toBe('agi://[::1]:4573');
    expect(agiUrlAt('[fe80::1]:4573')).toBe('agi://[fe80::1]:4573');
  });

  test('put the sounds below the spool that is set', () => {
    expect(loadConfig({ CAMPANILE_SPOOL: '/srv/spool' }).soundsDir).toBe('/srv/spool/campanile/sounds');
  });

  test('hold for variables that are empty', () => {
    expect(loadConfig({ CAMPANILE_TEMPLATES: '', DATABASE_URL: '', CAMPANILE_NODE_PORTS: '' })).toEqual(
      loadConfig({}),
    );
  });
});

describe('reads', () => {
  test.each([
    [{ DATABASE_URL: 'postgresql://a:b@db/campanile' }, { databaseUrl: 'postgresql://a:b@db/campanile' }],
    [
      { DATABASE_URL: 'postgres://a:b@%2Frun%2Fpg:5432/c' },
      { databaseUrl: 'postgres://a:b@%2Frun%2Fpg:5432/c' },
    ],
    [{ CAMPANILE_DATA: 'data' }, { dataDir: join(process.cwd(), 'data') }],
    [{ CAMPANILE_LISTEN: '[::1]:80' }, { listen: { host: '::1', port: 80 } }],
    [{ CAMPANILE_LISTEN: 'localhost:0' }, { listen: { host: 'localhost', port: 0 } }],
    [{ CAMPANILE_METRICS_LISTEN: '[::]:9100' }, { metricsListen: { host: '::', port: 9100 } }],
    [{ CAMPANILE_AGI_URL: 'agi://pbx.example.org:4573' }, { agiUrl: 'agi://pbx.example.org:4573' }],
    [{ CAMPANILE_SPOOL_OWNER: 'root:daemon' }, { spoolOwner: { uid: 0, gid: 1 } }],
    [{ CAMPANILE_SPOOL_OWNER: '1000:1001' }, { spoolOwner: { uid: 1000, gid: 1001 } }],
    [{ CAMPANILE_SPOOL_MODE: '640' }, { spoolMode: 0o640 }],
    [
      { CAMPANILE_SPEECH_COMMAND: '["/opt/speak", "-l{language}", "{text}", "{output}"]' },
      { speech: { command: ['/opt/speak', '-l{language}', '{text}', '{output}'] } },
    ],
    [
      { CAMPANILE_SPEECH_AT_ONCE: '8', CAMPANILE_SPEECH_KEEP: '2h' },
      { speech: { atOnce: 8, keepSeconds: 7200 } },
    ],
    [{ CAMPANILE_SOUNDS: '/srv/sounds' }, { speech: { directory: '/srv/sounds/speech' } }],
    [{ CAMPANILE_NODE: 'pbx_1.berlin-a' }, { nodeName: 'pbx_1.berlin-a' }],
    [{ CAMPANILE_NODE_CALLS_PER_SECOND: '2.5' }, { nodeCallsPerSecond: 2.5 }],
    [
      {
        CAMPANILE_JWT_JWKS_URL: 'https://login.example.org/jwks',
        CAMPANILE_JWT_ISSUER: 'https://login.example.org/',
        CAMPANILE_JWT_AUDIENCE: 'bells',
      },
      {
        jwtIssuer: {
          jwksUrl: 'https://login.example.org/jwks',
          issuer: 'https://login.example.org/',
          audience: 'bells',
        },
      },
    ],
    [{ CAMPANILE_TRUST_PROXY: '2' }, { trustProxy: 2 }],
    [{ CAMPANILE_STOP_GRACE: '500ms' }, { stopGraceSeconds: 0.5 }],
    [{ CAMPANILE_KEEP_FILES: '7d' }, { keepFilesSeconds: 604_800 }],
    [{ CAMPANILE_LOG_LEVEL: 'debug' }, { logLevel: 'debug' }],
  ])('%j', (env, expected) => {
    expect(loadConfig(env)).toMatchObject(expected);
  });
});

describe('refuses', () => {
  test.each([
    ['DATABASE_URL', 'mysql://a/b', 'a postgres:// URL'],
    ['DATABASE_URL', 'postgres://', 'a postgres:// URL'],
    ['CAMPANILE_LISTEN', '8088', 'host:port'],
    ['CAMPANILE_LISTEN', '::1:8088', 'host:port'],
    ['CAMPANILE_LISTEN', '127.0.0.1:65536', 'host:port'],
    ['CAMPANILE_AGI_LISTEN', '127.0.0.1:0', 'host:port'],
    ['CAMPANILE_AGI_URL', 'http://127.0.0.1:4573', 'agi://host:port'],
    ['CAMPANILE_AGI_URL', 'agi://127.0.0.1:4573/path', 'agi://host:port'],
    ['CAMPANILE_AGI_URL', 'agi://127.0.0.1', 'agi://host:port'],
    ['CAMPANILE_AGI_URL', `agi://127.0.0.1:4573\nApplication: System`, 'agi://host:port'],
    ['CAMPANILE_AGI_URL', `agi://\${SHELL(id)}:4573`, 'agi://host:port'],
    ['CAMPANILE_AGI_URL', 'agi://a;b:4573', 'agi://host:port'],
    ['CAMPANILE_AGI_URL', 'agi://a,b:4573', 'agi://host:port'],
    ['CAMPANILE_SPEECH_COMMAND', 'speak {text} {output}', 'a JSON array'],
    ['CAMPANILE_SPEECH_COMMAND', '{"a": 1}', 'a JSON array'],
    ['CAMPANILE_SPEECH_COMMAND', '[]', 'a JSON array'],
    ['CAMPANILE_SPEECH_COMMAND', '["speak"]', 'one of them with {output} in it'],
    ['CAMPANILE_SPEECH_COMMAND', '["speak", 1, "{output}"]', 'a JSON array'],
    ['CAMPANILE_SPEECH_COMMAND', '["{text}", "{output}"]', 'a program and its arguments'],
    ['CAMPANILE_SPEECH_COMMAND', '["speak", "{lang}", "{output}"]', 'there is no {lang}'],
    ['CAMPANILE_SPEECH_AT_ONCE', '0', 'a whole number'],
    ['CAMPANILE_SPEECH_KEEP', '5m', 'a duration of 1h at least'],
    ['CAMPANILE_SOUNDS', '/srv/a&b', 'a dialplan gives others a meaning'],
    ['CAMPANILE_SOUNDS', '/srv/a b', 'a dialplan gives others a meaning'],
    ['CAMPANILE_SPOOL_OWNER', 'asterisk', 'user:group'],
    ['CAMPANILE_SPOOL_OWNER', 'no-such-user:root', 'there is no no-such-user in /etc/passwd'],
    ['CAMPANILE_SPOOL_OWNER', 'root:no-such-group', 'there is no no-such-group in /etc/group'],
    ['CAMPANILE_SPOOL_MODE', '0999', 'an octal file mode'],
    ['CAMPANILE_SPOOL_MODE', '0070', 'an octal file mode'],
    ['CAMPANILE_NODE', 'a b', '1 to 64 letters'],
    ['CAMPANILE_NODE', 'a'.repeat(65), '1 to 64 letters'],
    ['CAMPANILE_NODE_PORTS', '0', 'a whole number from 1'],
    ['CAMPANILE_NODE_PORTS', '1e3', 'a whole number from 1'],
    ['CAMPANILE_NODE_CALLS_PER_SECOND', '0', 'a number above 0'],
    ['CAMPANILE_TRUST_PROXY', 'true', 'how many proxies'],
    ['CAMPANILE_STOP_GRACE', '10', 'is not a duration'],
    ['CAMPANILE_KEEP_FILES', 'a week', 'is not a duration'],
    ['CAMPANILE_LOG_LEVEL', 'verbose', 'one of trace debug info warn error fatal silent'],
  ])('%s=%s with a sentence and an example', (name, value, reason) => {
    const complaints = complaintsAbout({ [name]: value });
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toMatch(new RegExp(`^${name} must be .*, for example \\S`));
    expect(complaints[0]).toContain(reason);
  });

  test.each([
    ['http://login.example.org/jwks', true],
    ['https://user:password@login.example.org/jwks', true],
    ['file:///etc/jwks', true],
    ['login.example.org', true],
    ['http://localhost:8000/jwks', false],
    ['http://127.0.0.1/jwks', false],
    ['http://[::1]:1/jwks', false],
    ['https://login.example.org/jwks', false],
  ])('%s as the place of keys: %s', (url, refused) => {
    const others = { CAMPANILE_JWT_ISSUER: 'a', CAMPANILE_JWT_AUDIENCE: 'b' };
    expect(complaintsAbout({ ...others, CAMPANILE_JWT_JWKS_URL: url })).toHaveLength(refused ? 1 : 0);
  });

  test('an outside issuer that is said in part, or is called as we are', () => {
    const url = { CAMPANILE_JWT_JWKS_URL: 'https://login.example.org/jwks' };
    expect(complaintsAbout(url).map((sentence) => sentence.split(' ')[0])).toEqual([
      'CAMPANILE_JWT_ISSUER',
      'CAMPANILE_JWT_AUDIENCE',
    ]);
    expect(complaintsAbout({ CAMPANILE_JWT_ISSUER: 'a', CAMPANILE_JWT_AUDIENCE: 'b' })[0]).toMatch(
      /^CAMPANILE_JWT_JWKS_URL is missing/,
    );
    const ours = { ...url, CAMPANILE_JWT_ISSUER: 'campanile', CAMPANILE_JWT_AUDIENCE: 'b' };
    expect(complaintsAbout(ours)).toEqual([expect.stringMatching(/^CAMPANILE_JWT_ISSUER must be/)]);
  });

  test('every wrong variable at once, each on a line of its own', () => {
    const complaints = complaintsAbout({
      CAMPANILE_LISTEN: 'x',
      CAMPANILE_NODE_PORTS: '-1',
      CAMPANILE_SPOL: '/x',
    });
    expect(complaints.map((sentence) => sentence.split(' ')[0]).sort()).toEqual([
      'CAMPANILE_LISTEN',
      'CAMPANILE_NODE_PORTS',
      'CAMPANILE_SPOL',
    ]);
  });

  test('a short secret and a wrong database URL without showing either', () => {
    const message = complaintsAbout({
      CAMPANILE_SECRET: 'hunter2',
      DATABASE_URL: 'mysql://a:hunter2@b',
    }).join();
    expect(message).toContain('CAMPANILE_SECRET must be at least 32 bytes');
    expect(message).not.toContain('hunter2');
  });

  test.each([
    ['CAMPANILE_SPOL', 'CAMPANILE_SPOOL'],
    ['CAMPANILE_DATA_DIR', 'CAMPANILE_DATA'],
    ['CAMPANILE_LOGLEVEL', 'CAMPANILE_LOG_LEVEL'],
    ['CAMPANILE_KEEP_FILE', 'CAMPANILE_KEEP_FILES'],
  ])('the unknown %s and suggests %s', (unknown, known) => {
    expect(complaintsAbout({ [unknown]: '1' })).toEqual([
      `${unknown} is not a variable of campanile: did you mean ${known}?`,
    ]);
  });

  test('nothing of other programs', () => {
    expect(complaintsAbout({ CAMPANILES: '1', PATH: '/bin', campanile_spool: 'x' })).toEqual([]);
  });
});

describe('the secret', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'campanile-secret-'));
  });
  afterEach(() => rm(dataDir, { recursive: true }));

  test('is the configured one', async () => {
    const secret = 'ü'.repeat(16);
    expect(await loadSecret({ secret, dataDir })).toEqual(Buffer.from(secret));
    expect(await readdir(dataDir)).toEqual([]);
  });

  test('is made once, for its owner only, and found again', async () => {
    const deep = join(dataDir, 'not', 'there', 'yet');
    const made = await loadSecret({ secret: null, dataDir: deep });
    expect(made.length).toBeGreaterThanOrEqual(32);
    expect((await stat(join(deep, 'secret'))).mode & 0o777).toBe(0o600);
    expect(await loadSecret({ secret: null, dataDir: deep })).toEqual(made);
  });

  test('is the same for starters at once, and no draft is left', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => loadSecret({ secret: null, dataDir })));
    expect(new Set(all.map((secret) => secret.toString())).size).toBe(1);
    expect(await readdir(dataDir)).toEqual(['secret']);
    expect((await readFile(join(dataDir, 'secret'), 'utf8')).trim()).toBe(all[0]?.toString());
  });

  test('is refused when somebody cut the file short or it cannot be read', async () => {
    await writeFile(join(dataDir, 'secret'), 'short\n');
    await expect(loadSecret({ secret: null, dataDir })).rejects.toThrow(
      /cannot use the secret in .*it has 5 bytes/,
    );
    await rm(join(dataDir, 'secret'));
    await mkdir(join(dataDir, 'secret'));
    await expect(loadSecret({ secret: null, dataDir })).rejects.toMatchObject({ code: 'secret_unusable' });
  });
});
