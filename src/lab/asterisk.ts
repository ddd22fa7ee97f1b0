import { existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CampanileError, messageOf } from '../errors.js';
import { DEBIAN_FILES, renderConfig } from './asterisk-config.js';
import { tailOf, until } from './condition.js';
import { type Confined, type ConfineOptions, confine, end, runBeside } from './confine.js';
import type { Image } from './image.js';
import { refusePortInUse } from './ports.js';

export interface AsteriskOptions {
  image: Image;
  /** The instance's own directory, made when missing; what lies in it from an earlier run (the spool!) is kept. */
  dir: string;
  /** UDP port of 127.0.0.1 for SIP: see `freePort`. */
  sipPort: number;
  /** Endpoint name to the 'host:port' of its far end: `PJSIP/<number>@<name>` dials there. */
  farEnds: Record<string, string>;
  /** Absolute paths of dialplan files; they are copied into the instance's etc/ under their own names. */
  includes: string[];
  extraExtensions?: string;
  extraPjsip?: string;
  extraQueues?: string;
  /** UDP ports for audio. Instances may share a range: a port that is taken is passed over. */
  rtpPorts?: { from: number; to: number };
  /** More host directories that Asterisk sees at the same absolute path, read and write: audio, for example. */
  shares?: string[];
  /** Keep Asterisk running when this process dies; by default it is killed then. */
  outliveUs?: boolean;
  /** Asked at each start: which pid it has in a namespace of its own, and its environment beside ours. */
  launch?: () => Pick<ConfineOptions, 'ownPid' | 'env'>;
}

/** A real Asterisk in a directory of its own. Paths mean the same inside it as outside. */
export interface AsteriskInstance {
  readonly dir: string;
  /** Holds outgoing/, and outgoing_done/ once Asterisk has archived a call. */
  readonly spoolDir: string;
  readonly runDir: string;
  /** Warnings and errors. */
  readonly logFile: string;
  /** Owner of everything here: a call file must belong to it, or at least be writable and in its directory. */
  readonly uid: number;
  readonly gid: number;
  /** The Asterisk process itself; another one after each restart. */
  readonly pid: number;
  readonly running: boolean;
  /** What `asterisk -rx command` prints. Throws a CampanileError when Asterisk does not answer within 10 s. */
  cli(command: string): Promise<string>;
  /** Stops Asterisk (SIGTERM, after 10 s SIGKILL); calls that are going on end. May be called twice. */
  stop(): Promise<void>;
  /** SIGKILL, as power or the OOM killer would: call files stay in outgoing/. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Stops it if it runs and starts it again on the same directory; resolves when it is up. */
  restart(): Promise<void>;
}

// Below the ports of `freePort` and Linux' ephemeral ones.
const RTP_PORTS = { from: 10_000, to: 24_998 };
const START_MS = 60_000;
// sockaddr_un holds 107 bytes and asterisk.ctl lies in run/.
const LONGEST_DIR = 107 - '/run/asterisk.ctl'.length;

/**
 * Starts an Asterisk from an image and resolves when it has fully booted. Throws a CampanileError with the end of its
 * log when it does not come up.
 */
export async function startAsterisk(options: AsteriskOptions): Promise<AsteriskInstance> {
  const dir = await prepareDirectory(options);
  const { image } = options;
  const asterisk = ['asterisk', '-C', join(dir, 'etc/asterisk.conf')];
  const consoleFile = join(dir, 'log/console.log');
  let program: Confined;

  async function cli(command: string, timeoutMs = 10_000): Promise<string> {
    try {
      if (!program.running) throw new Error('it is not running');
      return await runBeside(program.pid, [...asterisk, '-rx', command], timeoutMs);
    } catch (cause) {
      throw new CampanileError('asterisk_cli', `asterisk did not answer "${command}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  async function start(): Promise<void> {
    await refusePortInUse(options.sipPort);
    await rm(join(dir, 'run/asterisk.ctl'), { force: true });
    program = await confine({
      imageRoot: image.root,
      binds: [dir, ...(options.shares ?? [])],
      command: ['asterisk', '-f', ...asterisk.slice(1)],
      user: { uid: image.asteriskUid, gid: image.asteriskGid },
      outputFile: consoleFile,
      outliveUs: options.outliveUs ?? false,
      ...options.launch?.(),
    });
    const booted = await until(() => !program.running || hasBooted(), { timeoutMs: START_MS });
    if (booted && program.running) return;
    await end(program, 'SIGKILL', 0);
    const log = `${await tailOf(consoleFile)}\n${await tailOf(join(dir, 'log/messages.log'))}`.trim();
    throw new CampanileError(
      'asterisk_start',
      `asterisk in ${dir} did not come up; its log ends with:\n${log}`,
    );
  }

  /** The socket is there before the modules are loaded; `waitfullybooted` answers when the last one is. */
  async function hasBooted(): Promise<boolean> {
    if (!existsSync(join(dir, 'run/asterisk.ctl'))) return false;
    const answer = await cli('core waitfullybooted', START_MS).catch(() => '');
    return answer.includes('fully booted');
  }

  await start();
  return {
    dir,
    spoolDir: join(dir, 'spool'),
    runDir: join(dir, 'run'),
    logFile: join(dir, 'log/messages.log'),
    uid: image.asteriskUid,
    gid: image.asteriskGid,
    get pid() {
      return program.pid;
    },
    get running() {
      return program.running;
    },
    cli,
    stop: () => end(program, 'SIGTERM', 10_000),
    kill: () => end(program, 'SIGKILL', 0),
    async restart() {
      await end(program, 'SIGTERM', 10_000);
      await start();
    },
  };
}

/** Makes the instance's directories and configuration; returns the real path of its directory. */
async function prepareDirectory(options: AsteriskOptions): Promise<string> {
  const { image } = options;
  const { asteriskUid: uid, asteriskGid: gid } = image;
  await mkdir(options.dir, { recursive: true });
  const dir = await realpath(options.dir);
  if (Buffer.byteLength(dir) > LONGEST_DIR) {
    throw new CampanileError(
      'lab_path',
      `${dir} is too long for Asterisk's control socket: ${LONGEST_DIR} bytes at most`,
    );
  }
  await chmod(dir, 0o755);
  for (const name of ['etc', 'spool', 'spool/outgoing', 'run', 'log', 'lib']) {
    await mkdir(join(dir, name), { recursive: true });
    await chown(join(dir, name), uid, gid);
  }

  for (const name of DEBIAN_FILES) {
    const from = join(image.root, 'etc/asterisk', name);
    if (existsSync(from)) await copyFile(from, join(dir, 'etc', name));
  }
  const includes = options.includes.map((path) => join(dir, 'etc', basename(path)));
  for (const [i, path] of options.includes.entries()) await copyFile(path, includes[i]!);
  const files = renderConfig({
    dir,
    sipPort: options.sipPort,
    rtpPorts: options.rtpPorts ?? RTP_PORTS,
    farEnds: options.farEnds,
    includes,
    extraExtensions: options.extraExtensions ?? '',
    extraPjsip: options.extraPjsip ?? '',
    extraQueues: options.extraQueues ?? '',
    availableModules: await modulesOf(image),
  });
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'etc', name), text);
  // Debian's files are not for everybody to read, and our umask may be as strict.
  for (const name of await readdir(join(dir, 'etc'))) await chown(join(dir, 'etc', name), uid, gid);
  return dir;
}

/** The names of the modules in an image; Debian's asterisk.conf names their directory, which differs by architecture. */
async function modulesOf(image: Image): Promise<Set<string>> {
  try {
    const conf = await readFile(join(image.root, 'etc/asterisk/asterisk.conf'), 'utf8');
    const dir = /^astmoddir\s*=>\s*(\S+)/m.exec(conf)?.[1];
    return new Set(await readdir(join(image.root, dir ?? 'no astmoddir in asterisk.conf')));
  } catch (cause) {
    const remedy = 'remove it and let ensureImage make it again';
    throw new CampanileError('no_image', `${image.root} holds no Asterisk (${messageOf(cause)}): ${remedy}`, {
      cause,
    });
  }
}
