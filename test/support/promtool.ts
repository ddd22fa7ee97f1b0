import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe } from 'vitest';
import { loadConfig } from '../../src/config.js';

const run = promisify(execFile);

/** Why promtool cannot be had here; null when it can. */
function whyNone(): string | null {
  if (spawnSync('promtool', ['--version'], { stdio: 'ignore' }).error === undefined) return null;
  const debian = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).error === undefined;
  return debian ? null : 'there is neither promtool nor apt-get to fetch it';
}

/** `describe` for what needs Prometheus' promtool; with CI=true it is a failure not to have it. */
export function describeWithPromtool(name: string, tests: () => void): void {
  const reason = whyNone();
  if (reason && process.env.CI === 'true') throw new Error(`no promtool can be had here: ${reason}`);
  describe.skipIf(reason !== null)(reason ? `${name} (${reason})` : name, tests);
}

/**
 * The path of promtool: the machine's own, else out of Debian's package `prometheus`, which is unpacked into the cache and not
 * installed, because installing it starts a server.
 */
export async function ensurePromtool(): Promise<string> {
  if (spawnSync('promtool', ['--version'], { stdio: 'ignore' }).error === undefined) return 'promtool';
  const { cacheDir } = loadConfig({});
  const kept = join(cacheDir, 'promtool');
  if (existsSync(kept)) return kept;
  await mkdir(cacheDir, { recursive: true });
  const dir = await mkdtemp(join(cacheDir, 'promtool-'));
  try {
    const download = () => run('apt-get', ['download', 'prometheus'], { cwd: dir });
    await download().catch(() => run('apt-get', ['update']).then(download));
    const file = (await readdir(dir)).find((name) => name.endsWith('.deb'))!;
    await run('dpkg-deb', ['-x', join(dir, file), join(dir, 'unpacked')]);
    await rename(join(dir, 'unpacked', 'usr', 'bin', 'promtool'), kept);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return kept;
}
