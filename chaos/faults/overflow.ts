import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

/** More than an inotify queue holds (/proc/sys/fs/inotify/max_queued_events, 16,384 by default). */
const DIRECTORIES = 20_000;

/** Fills the inotify queue of whoever watches `directory` and does not read: nothing that happens next is told to it. */
export async function overflow(directory: string): Promise<void> {
  for (let i = 0; i < DIRECTORIES; i++) {
    const path = join(directory, `.flood-${i}`);
    await mkdir(path);
    await rmdir(path);
  }
}
