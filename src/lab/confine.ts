import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CampanileError } from '../errors.js';
import { until } from './condition.js';

/** A program that runs from an image, in mounts of its own. */
export interface Confined {
  /** The program's own process id, as we see it: a signal to it reaches nothing else. */
  readonly pid: number;
  readonly running: boolean;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  /** Sends a signal; nothing happens when the process is gone. */
  signal(name: NodeJS.Signals): void;
}

export interface ConfineOptions {
  /** The image's directory: its usr and etc are seen read-only, everything else is empty and private. */
  imageRoot: string;
  /** Host directories seen at the same absolute path inside; the first holds the mount point. */
  binds: [string, ...string[]];
  command: [string, ...string[]];
  /** Run as this user; root when left out. */
  user?: { uid: number; gid: number };
  /** Where stdout and stderr go. */
  outputFile: string;
  /** Let the program go on when this process dies; by default the kernel kills it then. */
  outliveUs?: boolean;
  /** In a pid namespace of its own, as in a container: as its pid 1, or as pid 2 below a shell. */
  ownPid?: 1 | 2;
  /** The program's, beside our environment. */
  env?: Record<string, string>;
}

const OPEN_FILES = 65_536;
const DIE_WITH_US: [string, ...string[]] = ['setpriv', '--pdeathsig', 'KILL'];
const run = promisify(execFile);

/**
 * Starts `command` from an image in a private mount namespace: a tmpfs as its root, the image's usr and etc read-only,
 * the host's /dev and /proc, and `binds`. The mounts go with the process, however it ends; the image is not touched.
 * Throws a CampanileError when the process cannot be started; a command that fails later shows in `outputFile`.
 */
export async function confine(options: ConfineOptions): Promise<Confined> {
  const output = openSync(options.outputFile, 'a');
  let child: ChildProcess;
  try {
    const [program, ...args] = confinedCommand(options);
    child = spawn(program, args, {
      detached: true, // Ctrl-C in a terminal is ours to handle, not the program's.
      stdio: ['ignore', output, output],
    });
    await once(child, 'spawn');
  } catch (cause) {
    throw new CampanileError('lab_unshare', `cannot run unshare (package util-linux): ${String(cause)}`, {
      cause,
    });
  } finally {
    closeSync(output);
  }
  if (options.outliveUs) child.unref();
  const alive = () => child.exitCode === null && child.signalCode === null;
  const pid = await descendant(child.pid!, options.ownPid ?? 0, alive);
  return {
    pid,
    get running() {
      return alive();
    },
    ended: once(child, 'exit').then(() => undefined),
    signal(name) {
      if (!alive()) return;
      try {
        process.kill(pid, name);
      } catch (error) {
        // What stands above it in the namespace may be there for a moment longer.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    },
  };
}

/** The process so many generations below `pid`, in our own numbers; `pid` itself when that has ended before. */
async function descendant(pid: number, generations: number, alive: () => boolean): Promise<number> {
  let found = pid;
  for (let i = 0; i < generations; i++) {
    const child = () => readFileSync(`/proc/${found}/task/${found}/children`, 'utf8').trim().split(' ')[0];
    const next = await until(() => !alive() || Number(child()), { timeoutMs: 10_000, everyMs: 2 });
    if (typeof next !== 'number') return pid;
    found = next;
  }
  return found;
}

/** Ends `program` with `name`, and with SIGKILL when it is still there after `graceMs`. Resolves when it is gone. */
export async function end(program: Confined, name: NodeJS.Signals, graceMs: number): Promise<void> {
  const timer = setTimeout(() => program.signal('SIGKILL'), graceMs);
  program.signal(name);
  await program.ended;
  clearTimeout(timer);
}

/** Runs a short command as root where process `pid` lives (its mounts, its root) and returns its stdout. */
export async function runBeside(pid: number, command: string[], timeoutMs: number): Promise<string> {
  const { stdout } = await run('nsenter', ['--target', String(pid), '--mount', '--root', ...command], {
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** The command line that `confine` runs: each part becomes the next by exec, so its process id is the program's. */
export function confinedCommand(options: ConfineOptions): [string, ...string[]] {
  const script = mountScript(options);
  const shell: [string, ...string[]] = [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    ...(options.ownPid ? ['--pid', '--fork', '--kill-child=KILL'] : []),
    'sh',
    '-ec',
    options.ownPid === 2 ? `{\n${script}\n} &\nwait` : script,
  ];
  return options.outliveUs ? shell : [...DIE_WITH_US, ...shell];
}

/** The shell script that builds the root and becomes the command. */
function mountScript(options: ConfineOptions): string {
  const { imageRoot, binds, command, user } = options;
  for (const bind of binds) refuseSystemPath(bind);
  const root = join(binds[0], '.root');
  mkdirSync(root, { recursive: true });
  const at = (path: string) => quote(join(root, path));
  const script = [`mount -t tmpfs -o mode=0755 campanile-lab ${quote(root)}`];
  const bind = (from: string, to: string, how = '--bind') =>
    script.push(`mount ${how} ${quote(from)} ${at(to)}`);

  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']) {
    // Links into usr in every Debian since bookworm and in what debootstrap makes of bullseye.
    if (existsSync(join(imageRoot, name)) && lstatSync(join(imageRoot, name)).isSymbolicLink()) {
      script.push(`ln -s ${quote(readlinkSync(join(imageRoot, name)))} ${at(name)}`);
    }
  }
  script.push(`mkdir -p ${['usr', 'etc', 'dev', 'proc', 'tmp', 'run', 'var/tmp'].map(at).join(' ')}`);
  script.push(`chmod 1777 ${at('tmp')} ${at('var/tmp')}`);
  bind(join(imageRoot, 'usr'), 'usr');
  bind(join(imageRoot, 'etc'), 'etc');
  script.push(`mount -o remount,bind,ro ${at('usr')}`, `mount -o remount,bind,ro ${at('etc')}`);
  // Without its own name in hosts Asterisk waits on a name server at every call.
  script.push(`echo ${quote(`127.0.0.1 localhost ${hostname()}`)} > ${at('run/hosts')}`);
  bind(join(root, 'run/hosts'), 'etc/hosts');
  bind('/dev', 'dev', '--rbind');
  bind('/proc', 'proc', '--rbind');
  for (const path of binds) {
    script.push(`mkdir -p ${at(path)}`);
    bind(path, path);
  }
  script.push(`ulimit -n ${OPEN_FILES} 2>/dev/null || ulimit -n "$(ulimit -Hn)"`, 'ulimit -c 0');

  const chroot = ['chroot', ...(user ? [`--userspec=${user.uid}:${user.gid}`, '--groups='] : []), root];
  // Taking another user id clears the parent-death signal, so it is set again after chroot has done that.
  const death = options.outliveUs ? [] : DIE_WITH_US;
  // Only for the program itself: what prepares its mounts is another user.
  const own = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const environment = own.length > 0 ? ['env', ...own] : [];
  script.push(`exec ${[...chroot, ...death, ...environment, ...command].map(quote).join(' ')}`);
  return script.join('\n');
}

/** `dir` inside the image's own directories would hide them. */
function refuseSystemPath(path: string): void {
  if (!path.startsWith('/') || /^\/(usr|etc|dev|proc|bin|sbin|lib\w*|)(\/|$)/.test(path)) {
    throw new CampanileError(
      'lab_path',
      `${path} cannot be shared with the lab: give an absolute path such as /tmp/x`,
    );
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
