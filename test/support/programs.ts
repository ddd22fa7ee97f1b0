import { spawnSync } from 'node:child_process';
import { describe } from 'vitest';

/**
 * `describe` for what needs a program. `npm test` installs it where it may; where it is missing all the same the tests are
 * skipped by name, and with CI=true that is a failure.
 */
export function describeWith(program: string, name: string, tests: () => void): void {
  const missing = spawnSync(program, ['-version'], { stdio: 'ignore' }).error !== undefined;
  if (missing && process.env.CI === 'true') throw new Error(`${program} is not installed`);
  describe.skipIf(missing)(missing ? `${name} (${program} is not installed)` : name, tests);
}
