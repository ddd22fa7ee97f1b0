import { access, chmod, chown, constants, mkdir, open, rename, stat, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CampanileError, messageOf } from '../errors.js';
import { startedAt } from './asterisk-run.js';
import { canEnter, canWrite, networkFilesystem, type Owner } from './permissions.js';

export type { Owner } from './permissions.js';

/** The spool directory of one Asterisk, checked. All paths are absolute. */
export interface Spool {
  root: string;
  /** Asterisk's: what lies here is dialled. */
  outgoing: string;
  /** Asterisk's: what is over. */
  done: string;
  /** Ours: written, not yet placed. */
  staging: string;
  /** Ours: what the hangup handler reports in files, which Asterisk writes. */
  reports: string;
  /** Ours: what callees say, which Asterisk writes, until it is in the database. */
  recordings: string;
  /** Ours: what this node did, for the day on which the database is lost: journal.ts. */
  journal: string;
  /** Ours: files that no attempt in the database belongs to. */
  quarantine: string;
  /** Ours: archived files that the admin wants to keep. */
  kept: string;
  /** Who call files are given to; null leaves them as they are made. */
  owner: Owner | null;
  /** Permission bits of call files. */
  mode: number;
  /** When the running Asterisk started, or null when it does not run: see asterisk-run.ts. */
  asteriskStartedAt(): Promise<Date | null>;
}

export interface SpoolOptions {
  /** Asterisk's `astspooldir`, absolute. */
  spool: string;
  owner: Owner | null;
  mode: number;
  /** Asterisk's `astrundir`, absolute. */
  asteriskRun: string;
}

/** `newfn` in Asterisk's remove_from_queue() holds 255 bytes: directory, slash and our 78 letters. */
const LONGEST_ROOT = 255 - '/outgoing_done/'.length - 78;

/**
 * Checks the spool directory and makes what is missing in it, `outgoing/` excepted: that it is there shows that this is
 * Asterisk's spool. Throws a CampanileError (`spool_unusable`) whose message ends with the shell command that repairs it.
 */
export async function openSpool({ spool: root, owner, mode, asteriskRun }: SpoolOptions): Promise<Spool> {
  const own = join(root, 'campanile');
  const spool: Spool = {
    root,
    outgoing: join(root, 'outgoing'),
    done: join(root, 'outgoing_done'),
    staging: join(own, 'staging'),
    reports: join(own, 'reports'),
    recordings: join(own, 'recordings'),
    journal: join(own, 'journal'),
    quarantine: join(own, 'quarantine'),
    kept: join(own, 'kept'),
    owner,
    mode,
    asteriskStartedAt: () => startedAt(asteriskRun),
  };
  if (Buffer.byteLength(root) > LONGEST_ROOT) {
    throw unusable(
      `${root} is too long: with a file's name Asterisk cuts it at 255 bytes; give it and us a shorter way there`,
      `ln -s ${root} /var/spool/campanile`,
    );
  }
  if (!/^(?:\/[A-Za-z0-9_.-]+)+$/.test(root)) {
    throw unusable(
      `${root} has more than letters, digits and _ . - in it, and call files name it; give it and us another way there`,
      `ln -s '${root}' /var/spool/campanile`,
    );
  }
  const outgoing = await checkOutgoing(spool.outgoing);
  if (!owner) spool.owner = givenTo(spool.outgoing, outgoing);
  const { done, staging, reports, recordings, journal, quarantine, kept } = spool;
  for (const directory of [done, own, staging, reports, recordings, journal, quarantine, kept]) {
    await makeLike(directory, outgoing);
  }
  await checkAsteriskEnters(own, outgoing);
  for (const directory of [done, reports, recordings]) await checkAsteriskWrites(directory, outgoing);
  for (const directory of [spool.outgoing, spool.done, spool.quarantine, spool.kept]) {
    await checkSameMount(spool.staging, directory);
  }
  await checkOwner(spool);
  return spool;
}

/** Makes `outgoing_done` again after somebody deleted it, as `openSpool` does. */
export async function remakeDone(spool: Spool): Promise<void> {
  await makeLike(spool.done, await stat(spool.outgoing));
}

interface Rights {
  uid: number;
  gid: number;
  mode: number;
}

function unusable(problem: string, command: string, cause?: unknown): CampanileError {
  return new CampanileError('spool_unusable', `${problem}; repair it with: ${command}`, { cause });
}

/** The command that makes a directory of these rights. */
function install(directory: string, { uid, gid, mode }: Rights): string {
  return `install -d -o ${uid} -g ${gid} -m ${(mode & 0o7777).toString(8).padStart(4, '0')} ${directory}`;
}

async function checkOutgoing(outgoing: string): Promise<Rights> {
  const made = `install -d -o asterisk -g asterisk -m 0770 ${outgoing}`;
  const found = await stat(outgoing).catch((error: unknown) => {
    throw unusable(`there is no ${outgoing} (${messageOf(error)}): is this Asterisk's spool?`, made, error);
  });
  if (!found.isDirectory()) throw unusable(`${outgoing} is not a directory`, `rm ${outgoing} && ${made}`);
  const network = networkFilesystem((await statfs(outgoing)).type);
  if (network) {
    throw unusable(
      `${outgoing} lies on ${network}, where Asterisk does not see new files`,
      `mount --bind /var/lib/asterisk-spool ${join(outgoing, '..')}`,
    );
  }
  await access(outgoing, constants.R_OK | constants.W_OK | constants.X_OK).catch((error: unknown) => {
    throw unusable(
      `cannot write into ${outgoing}`,
      `setfacl -m u:${process.getuid?.()}:rwx ${outgoing}`,
      error,
    );
  });
  return found;
}

/** Root gives files to the owner of outgoing/: Asterisk can set a file's time, which holds back redials, only on its own. */
function givenTo(outgoing: string, { uid, gid }: Rights): Owner | null {
  const self = process.getuid?.() ?? uid;
  if (self === uid || uid === 0) return null;
  if (self === 0) return { uid, gid };
  throw unusable(
    `call files would belong to user ${self}, ${outgoing} belongs to ${uid}, and Asterisk must own its call files`,
    `setpriv --reuid ${uid} --regid ${gid} --clear-groups campanile serve`,
  );
}

/** Makes a directory with owner and rights of outgoing/, unless it is there. */
async function makeLike(directory: string, like: Rights): Promise<void> {
  try {
    await mkdir(directory);
    if (process.getuid?.() === 0) await chown(directory, like.uid, like.gid);
    await chmod(directory, like.mode & 0o7777);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw unusable(`cannot make ${directory}: ${messageOf(error)}`, install(directory, like), error);
    }
  }
  if (!(await stat(directory)).isDirectory()) {
    throw unusable(`${directory} is not a directory`, `rm ${directory} && ${install(directory, like)}`);
  }
  await access(directory, constants.R_OK | constants.W_OK | constants.X_OK).catch((error: unknown) => {
    throw unusable(
      `cannot write into ${directory}`,
      `setfacl -m u:${process.getuid?.()}:rwx ${directory}`,
      error,
    );
  });
}

async function checkAsteriskEnters(directory: string, asterisk: Rights): Promise<void> {
  if (!canEnter(asterisk, await stat(directory))) {
    throw unusable(`Asterisk (user ${asterisk.uid}) cannot enter ${directory}`, `chmod a+x ${directory}`);
  }
}

/** Asterisk is taken to be the owner of outgoing/. If it cannot write into outgoing_done/, it deletes what is over. */
async function checkAsteriskWrites(directory: string, asterisk: Rights): Promise<void> {
  const found = await stat(directory);
  if (!canWrite(asterisk, found)) {
    const rights = `chown ${asterisk.uid}:${asterisk.gid} ${directory} && chmod u+rwx ${directory}`;
    throw unusable(`Asterisk (user ${asterisk.uid}) cannot write into ${directory}`, rights);
  }
}

/**
 * rename(2) answers EXDEV before it looks at the names, so a name that does not exist shows it without an event that
 * Asterisk would see. Unlike st_dev this also tells two mounts of one filesystem apart, which a container has easily.
 */
async function checkSameMount(from: string, to: string): Promise<void> {
  const nothing = '.campanile-same-mount';
  try {
    await rename(join(from, nothing), join(to, nothing));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw unusable(
      `cannot rename from ${from} to ${to} (${messageOf(error)}): call files are moved between them, and Asterisk deletes what it cannot move`,
      `mv ${to} ${to}.away && mkdir ${to} && chown --reference=${to}.away ${to} && chmod --reference=${to}.away ${to}`,
      error,
    );
  }
}

/** Whether we may give files away, and set their time after (withdrawal.ts), is asked of the system: root may. */
async function checkOwner({ staging, owner }: Spool): Promise<void> {
  if (!owner) return;
  const probe = join(staging, `.campanile-owner-${process.pid}`);
  try {
    const file = await open(probe, 'w');
    try {
      await file.chown(owner.uid, owner.gid);
      await file.utimes(0, 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unusable(
      `cannot give a file to user ${owner.uid}, group ${owner.gid}: ${messageOf(error)}`,
      `setpriv --reuid ${owner.uid} --regid ${owner.gid} --clear-groups campanile serve`,
      error,
    );
  } finally {
    await unlink(probe).catch(() => {});
  }
}
