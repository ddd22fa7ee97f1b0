import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signal } from '../db/embedded-process.js';

const PREFIX = 'campanile-demo-';

/** Where a demo keeps everything while it runs. */
export interface DemoFolder {
  /** Removed at the end. */
  dir: string;
  /** Kept when something went wrong. */
  logs: string;
}

/** Makes the folders of this process's demo, after those of demos that were killed are gone. */
export async function makeDemoFolder(): Promise<DemoFolder> {
  await removeFoldersOfKilled();
  const dir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  // Postgres and Asterisk run as users of their own.
  await chmod(dir, 0o755);
  const logs = `${dir}-logs`;
  await mkdir(logs);
  return { dir, logs };
}

/** Only Postgres outlives a demo that was killed: Asterisk and SIPp are ended by the kernel then. */
async function removeFoldersOfKilled(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, pid] = new RegExp(`^${PREFIX}(\\d+)-\\w{6}$`).exec(name) ?? [];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const dir = join(tmpdir(), name);
    const postgres = await readFile(join(dir, 'data/postgres/data/postmaster.pid'), 'utf8').catch(() => '');
    const server = Number(postgres.split('\n')[0]);
    // The process that has this number now may be another.
    const command = server > 0 ? await readFile(`/proc/${server}/cmdline`, 'utf8').catch(() => '') : '';
    if (command.includes(dir)) signal(server, 'SIGQUIT');
    await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    await rm(`${dir}-logs`, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
