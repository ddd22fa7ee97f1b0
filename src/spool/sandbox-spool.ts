import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CampanileError } from '../errors.js';

// A spool of a sandbox says so: call files that were written for nobody to be called must never be taken by an Asterisk's node.

const markOf = (root: string) => join(root, 'campanile', 'sandbox');

/** Makes a spool for a sandbox, or finds it as it was made. Throws a CampanileError (`spool_unusable`) when it is another's. */
export async function makeSandboxSpool(root: string): Promise<void> {
  if (!existsSync(markOf(root)) && existsSync(join(root, 'outgoing'))) {
    throw new CampanileError(
      'spool_unusable',
      `${root} is a spool that was not made for test calls: they must not lie where an Asterisk may take them; move it away`,
    );
  }
  await mkdir(join(root, 'campanile'), { recursive: true });
  // First, so that it is never without.
  await writeFile(markOf(root), 'Calls of test campaigns. No Asterisk may use this directory.\n');
  await mkdir(join(root, 'outgoing'), { recursive: true });
}

/** Throws a CampanileError (`spool_unusable`) when this is the spool of a sandbox. */
export function refuseSandboxSpool(root: string): void {
  if (!existsSync(markOf(root))) return;
  throw new CampanileError(
    'spool_unusable',
    `${root} is the spool of test campaigns (${markOf(root)} says so): set CAMPANILE_SPOOL to Asterisk's`,
  );
}
