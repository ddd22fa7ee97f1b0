import { execFile } from 'node:child_process';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './condition.js';

const run = promisify(execFile);

/** A small filesystem in memory, mounted on a directory: one that can be full, and read-only, for root too. */
export interface SmallDisk {
  /** Takes all the space there is; `empty` gives it back. */
  fill(): Promise<void>;
  empty(): Promise<void>;
  /** Resolves when nothing can be written any more, by anybody: whoever has a file open for writing is waited for. */
  makeReadOnly(): Promise<void>;
  makeWritable(): Promise<void>;
  unmount(): Promise<void>;
}

const FILLER = '.filler';
const BUSY_MS = 10_000;

/** Mounts `bytes` on `directory`, which is made when missing. Only root can. */
export async function mountSmallDisk(directory: string, bytes: number): Promise<SmallDisk> {
  await mkdir(directory, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0755`, 'campanile-small-disk', directory]);
  const filler = join(directory, FILLER);
  return {
    async fill() {
      const file = await open(filler, 'w');
      try {
        const { bavail, bsize } = await statfs(directory);
        const block = Buffer.alloc(bsize);
        for (let i = 0; i < bavail + 1; i++) await file.write(block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        await file.close();
      }
    },
    empty: () => rm(filler, { force: true }),
    async makeReadOnly() {
      const remounted = await until(() => remount(directory, 'ro'), { timeoutMs: BUSY_MS });
      if (!remounted) throw new Error(`${directory} cannot be made read-only: it is always being written to`);
    },
    async makeWritable() {
      await run('mount', ['-o', 'remount,rw', directory]);
    },
    async unmount() {
      await run('umount', ['--lazy', directory]);
    },
  };
}

/** Of the filesystem and not of this mount only: Asterisk has another. */
function remount(directory: string, how: 'ro' | 'rw'): Promise<boolean> {
  return run('mount', ['-o', `remount,${how}`, directory]).then(
    () => true,
    () => false,
  );
}
