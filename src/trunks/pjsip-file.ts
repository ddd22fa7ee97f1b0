import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CampanileError, messageOf } from '../errors.js';

// It holds passwords: for its owner and his group only.
const MODE = 0o640;

/** The text of the file, or null when it is not there. */
export async function readPjsipFile(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw new CampanileError('pjsip_file', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  });
}

/**
 * Replaces the file as one act, so that Asterisk reads the old one or the new one and never half of it; `owner` gets it, if
 * there is one. Throws a CampanileError (`pjsip_file`), and leaves the old one then.
 */
export async function writePjsipFile(
  path: string,
  content: string,
  owner: { uid: number; gid: number } | null,
): Promise<void> {
  // A name that no #include with a pattern takes for a configuration file.
  const draft = `${path}.${process.pid}.draft`;
  try {
    // One that a crash left keeps its mode, which is not to be trusted.
    await rm(draft, { force: true });
    const file = await open(draft, 'wx', MODE);
    try {
      await file.chmod(MODE);
      if (owner) await file.chown(owner.uid, owner.gid);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    const directory = await open(dirname(path));
    await directory.sync().finally(() => directory.close());
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {});
    throw new CampanileError('pjsip_file', `cannot write ${path}: ${messageOf(cause)}`, { cause });
  }
}
