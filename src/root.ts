import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CampanileError } from './errors.js';

/**
 * The directory of package.json, absolute. The same from `src/` and from `dist/src/`, so files that tsc does not copy
 * (the dialplan, templates, SQL) are found from both.
 */
export const packageRoot: string = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

function findPackageRoot(start: string): string {
  for (let dir = start; ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json'))) return dir;
    if (dir === dirname(dir)) {
      throw new CampanileError(
        'no_package_root',
        `no package.json above ${start}: the installation is incomplete`,
      );
    }
  }
}
