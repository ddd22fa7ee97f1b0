import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { CampanileError, messageOf } from '../errors.js';

/** The user the server runs as when we are root, whom Postgres refuses. */
export interface ServerUser {
  uid: number;
  gid: number;
}

const name = 'postgres';
const execute = promisify(execFile);

/**
 * Runs a program to its end, as `user` unless null, and returns what it printed. It gets a plain environment: PGDATA
 * and the like would change what Postgres' programs do, and a locale the language of their messages.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: { user?: ServerUser | null; input?: string } = {},
): Promise<string> {
  const promise = execute(program, args, {
    ...(options.user ?? {}),
    cwd: '/',
    env: plainEnvironment(),
    maxBuffer: 1e7,
  });
  promise.child.stdin?.on('error', () => {});
  promise.child.stdin?.end(options.input ?? '');
  try {
    return (await promise).stdout;
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new CampanileError('command_failed', `${program}: ${stderr?.trim() || messageOf(cause)}`, {
      cause,
    });
  }
}

/** What our child processes see of the environment. */
export function plainEnvironment(): Record<string, string> {
  return { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** The user `postgres`, made when it is missing; null when we are not root and Postgres can run as ourselves. */
export async function findServerUser(): Promise<ServerUser | null> {
  if (process.getuid?.() !== 0) return null;
  const found = await idsOf();
  if (found) return found;
  const system = [
    '--system',
    '--home-dir',
    '/nonexistent',
    '--no-create-home',
    '--shell',
    '/usr/sbin/nologin',
  ];
  const failure = await run('groupadd', ['--system', '--force', name])
    .then(() => run('useradd', ['--gid', name, ...system, name]))
    .then(() => null)
    .catch((error: unknown) => error);
  // Another starter may have been faster; only what is there in the end counts.
  const made = await idsOf();
  if (made) return made;
  const message = `cannot add the user ${name}, whom the embedded Postgres runs as: ${messageOf(failure)}`;
  throw new CampanileError('embedded_postgres_failed', message, { cause: failure });
}

async function idsOf(): Promise<ServerUser | null> {
  try {
    return { uid: Number(await run('id', ['-u', name])), gid: Number(await run('id', ['-g', name])) };
  } catch {
    return null;
  }
}

/** The topmost of `directory` and those above it that `user` may not enter; null when all can be entered. */
export async function findClosedDirectory(
  directory: string,
  user: ServerUser | null,
): Promise<string | null> {
  const ancestors = [directory];
  while (dirname(ancestors[0]!) !== ancestors[0]) ancestors.unshift(dirname(ancestors[0]!));
  // Asking the kernel as that user also honours groups, ACLs and mount options.
  const script = 'for d do [ -x "$d" ] || { printf %s "$d"; break; }; done';
  return (await run('/bin/sh', ['-c', script, 'sh', ...ancestors], { user })) || null;
}

/**
 * Throws `directory_unreachable`, with the command that repairs it, when `user` cannot enter `directory`, which the
 * variable `setting` moves elsewhere.
 */
export async function requireReachable(
  directory: string,
  user: ServerUser | null,
  setting: string,
): Promise<void> {
  const closed = await findClosedDirectory(directory, user);
  if (closed === null) return;
  throw new CampanileError(
    'directory_unreachable',
    `the embedded Postgres runs as the user ${user ? name : 'that started campanile'}, who cannot enter ${closed} on ` +
      `the way to ${directory}: allow it with "chmod a+x ${closed}", or choose another place with ${setting}`,
  );
}
