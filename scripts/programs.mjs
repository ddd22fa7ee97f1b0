// Debian's packages that the tests run, each with the program by which it is found. Where we may, what is missing is installed; where
// not, the tests that need it are skipped by name (test/support/programs.ts).
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const PACKAGES = { ffmpeg: 'ffmpeg', 'espeak-ng': 'espeak-ng', openssl: 'openssl' };

/** Whether a program is on PATH. */
export function isInstalled(program) {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Installs the packages whose programs are missing, as root on Debian and its relatives; elsewhere it does nothing. */
export function installPrograms() {
  const missing = Object.keys(PACKAGES).filter((name) => !isInstalled(PACKAGES[name]));
  if (missing.length === 0 || process.getuid?.() !== 0 || !isInstalled('apt-get')) return;
  console.log(`installing ${missing.join(', ')}`);
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...missing]]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const done = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (done.status === 0) continue;
    console.error(`apt-get ${args.join(' ')} failed: ${done.error?.message ?? done.stderr.trim()}`);
    return;
  }
}
