import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { CampanileError, messageOf } from '../errors.js';
import { withFileLock } from './lock.js';

const run = promisify(execFile);

/** A Debian suite with an `asterisk` package: sid has Asterisk 22, bullseye 16. Debian 12 and 13 have none. */
export type Suite = 'sid' | 'bullseye';

/** A directory tree of Debian with Asterisk, its English prompts and SIPp. */
export interface Image {
  readonly root: string;
  readonly suite: Suite;
  readonly asteriskUid: number;
  readonly asteriskGid: number;
  /** Asterisk's version without Debian's suffix: '22.10.1'. */
  readonly version: string;
}

export interface ImageOptions {
  suite: Suite;
  /** Where images are kept, about 550 MB each; root's, made when missing. */
  cacheDir: string;
  /** Gets what debootstrap says, a line at a time. */
  log: (line: string) => void;
  /** Ends the making of an image, and removes what is there of it. */
  signal?: AbortSignal;
}

// Part of the image's name: a changed list makes a new image.
const PACKAGES = ['asterisk', 'asterisk-core-sounds-en-gsm', 'sip-tester'];
const RECIPE = 1;
const DESCRIPTION = 'campanile-image.json';

/**
 * The image of a suite, made with debootstrap at the first call (about a minute) and found in milliseconds afterwards.
 * Any number of processes may call it at once: one builds, the others wait. A build that was killed leaves only a
 * directory that the next build removes. Throws a CampanileError with debootstrap's last lines when it cannot be made.
 */
export async function ensureImage(options: ImageOptions): Promise<Image> {
  const { suite, cacheDir, log, signal } = options;
  const root = join(cacheDir, `asterisk-${suite}-${RECIPE}`);
  const ready = await readImage(root);
  if (ready) return ready;
  const reason = canHaveAsterisk();
  if (reason) throw new CampanileError('no_asterisk', `cannot make an Asterisk here: ${reason}`);
  await mkdir(cacheDir, { recursive: true }).catch((cause) => {
    throw new CampanileError('no_image', `cannot keep an image in ${cacheDir}: ${messageOf(cause)}`, {
      cause,
    });
  });
  return withFileLock(
    `${root}.lock`,
    async () => (await readImage(root)) ?? buildImage(root, suite, log, signal),
    () => log(`another process is making the ${suite} image; waiting for it`),
  );
}

/**
 * An image with the wanted Asterisk; when sid (22) cannot be installed today, bullseye's (16) and a `note` that says
 * so. Throws what `ensureImage` throws when neither can be had.
 */
export async function ensureAsterisk(
  options: Omit<ImageOptions, 'suite'> & { prefer: '22' | '16' },
): Promise<{ image: Image; note: string | null }> {
  if (options.prefer === '16')
    return { image: await ensureImage({ ...options, suite: 'bullseye' }), note: null };
  try {
    return { image: await ensureImage({ ...options, suite: 'sid' }), note: null };
  } catch (error) {
    options.signal?.throwIfAborted();
    const image = await ensureImage({ ...options, suite: 'bullseye' });
    const note = `Asterisk 22 could not be installed from Debian sid (${messageOf(error)}); using ${image.version} of bullseye`;
    return { image, note };
  }
}

/** Why a real Asterisk cannot be made on this machine, as the end of a sentence; null when it can. */
export function canHaveAsterisk(): string | null {
  if (process.platform !== 'linux') return `it needs Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'it needs root (run as root, or in a privileged container)';
  if (!findProgram('apt-get')) return 'it needs apt-get, so Debian, Ubuntu or a relative of theirs';
  const tried = spawnSync('unshare', ['--mount', '--propagation', 'private', 'true'], { encoding: 'utf8' });
  if (tried.status === 0) return null;
  const why = tried.error ? messageOf(tried.error) : tried.stderr.trim();
  return `mounting is not allowed here (${why}): a container needs --privileged, or the capability SYS_ADMIN`;
}

async function buildImage(
  root: string,
  suite: Suite,
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<Image> {
  await removeLeftovers(root);
  await ensureDebootstrap(log);
  const building = await mkdtemp(`${root}.building-`);
  try {
    log(`making an image of Debian ${suite} with ${PACKAGES.join(', ')}: about a minute, 550 MB`);
    // In its own mount namespace, so that the /proc it mounts is gone with it and no clean-up can walk into it; and in
    // its own process namespace, so that all of it ends when we do.
    const own = [
      'setpriv',
      '--pdeathsig',
      'KILL',
      'unshare',
      '--mount',
      '--pid',
      '--fork',
      '--kill-child=KILL',
    ];
    const include = `--include=${PACKAGES.join(',')}`;
    await runLogged(
      [...own, '--mount-proc', 'debootstrap', '--variant=minbase', include, suite, building],
      log,
      signal,
    );
    await rm(join(building, 'var/cache/apt/archives'), { recursive: true, force: true });
    // bullseye comes without; an instance mounts its own over it.
    await writeFile(join(building, 'etc/hosts'), '127.0.0.1 localhost\n');
    const image = await describe(building, root, suite);
    await writeFile(join(building, DESCRIPTION), JSON.stringify(image));
    await run('chmod', ['0755', building]);
    await rename(building, root);
    log(`made ${root} with Asterisk ${image.version}`);
    return image;
  } catch (cause) {
    await rm(building, { recursive: true, force: true, maxRetries: 5 });
    throw new CampanileError(
      'no_image',
      `cannot install Asterisk from Debian ${suite}: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** Builds that were killed; the caller holds the lock, so none is going on. */
async function removeLeftovers(root: string): Promise<void> {
  const prefix = `${basename(root)}.building-`;
  for (const name of await readdir(dirname(root))) {
    if (name.startsWith(prefix))
      await rm(join(dirname(root), name), { recursive: true, force: true, maxRetries: 5 });
  }
}

async function ensureDebootstrap(log: (line: string) => void): Promise<void> {
  // Ubuntu's debootstrap comes without Debian's keys.
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  if (findProgram('debootstrap') && existsSync(keyring)) return;
  log('installing debootstrap');
  await runLogged(['apt-get', 'update'], log);
  const install = ['install', '-y', '--no-install-recommends', 'debootstrap', 'debian-archive-keyring'];
  await runLogged(['apt-get', ...install], log);
}

async function describe(built: string, root: string, suite: Suite): Promise<Image> {
  const users = await readFile(join(built, 'etc/passwd'), 'utf8');
  const user = /^asterisk:[^:]*:(\d+):(\d+):/m.exec(users);
  const { stdout } = await run('chroot', [built, 'asterisk', '-V']);
  const version = /^Asterisk (\d+(?:\.\d+)+)/.exec(stdout);
  if (!user || !version)
    throw new Error(`the image has no asterisk user, or an odd version: ${stdout.trim()}`);
  return { root, suite, asteriskUid: Number(user[1]), asteriskGid: Number(user[2]), version: version[1]! };
}

/** The image at `root`, or null: the description is written last, before the rename. */
async function readImage(root: string): Promise<Image | null> {
  try {
    return JSON.parse(await readFile(join(root, DESCRIPTION), 'utf8')) as Image;
  } catch {
    return null;
  }
}

/** Runs a command, each line it says to `log`; rejects with its last lines when it fails. */
async function runLogged(
  command: [string, ...string[]] | string[],
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const [program, ...args] = command;
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
  const env = { ...process.env, PATH, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const abort = signal ? { signal, killSignal: 'SIGKILL' as const } : {};
  const child = spawn(program!, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...abort });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      log(line);
      last.push(line);
      if (last.length > 5) last.shift();
    });
  }
  const status = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  if (status !== 0) throw new Error(`${command.join(' ')} failed (${status}): ${last.join(' / ')}`);
}

function findProgram(name: string): boolean {
  const dirs = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return dirs.some((dir) => existsSync(join(dir, name)));
}
