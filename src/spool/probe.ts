import { access, constants, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../ids.js';
import type { Spool } from './directories.js';

/**
 * Whether a call could be placed in the spool now: a file is written where call files are, and the directories are there that it
 * is renamed to. Resolves with what is wrong, as a sentence without paths, or null; throws when no file can be written.
 */
export async function probeSpool(spool: Spool): Promise<string | null> {
  for (const [name, directory] of Object.entries({ outgoing: spool.outgoing, outgoing_done: spool.done })) {
    const rights = constants.R_OK | constants.W_OK | constants.X_OK;
    const problem = await access(directory, rights).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code ?? 'unknown',
    );
    if (problem === 'ENOENT') return `there is no ${name}`;
    if (problem !== null) return `${name} cannot be written (${problem})`;
  }
  const probe = join(spool.staging, `.campanile-ready-${newId()}`);
  const file = await open(probe, 'wx');
  try {
    await file.writeFile('\n');
  } finally {
    await file.close();
    await unlink(probe);
  }
  return null;
}
