import { stat } from 'node:fs/promises';
import { type FSWatcher, watch } from 'chokidar';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/**
 * Tells that something happened in a directory. Only ever a hint to save latency: events get lost (a full inotify queue,
 * a busy event loop, a directory that was replaced), and whoever listens must look for itself now and then.
 */
export interface DirectoryHint {
  /** Watches the directory that is there now; call it again to notice one that was deleted and made anew. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

/** `onHint` is called for each event, and once when watching has begun. */
export function createDirectoryHint(directory: string, log: Logger, onHint: () => void): DirectoryHint {
  let watcher: FSWatcher | null = null;
  let watched: string | null = null;

  async function stop(): Promise<void> {
    const old = watcher;
    watcher = null;
    watched = null;
    await old?.close();
  }

  return {
    async refresh() {
      const found = await identityOf(directory);
      if (found === watched && watcher) return;
      await stop();
      if (found === null) return;
      watched = found;
      // One inotify watch and no work for each file: chokidar's own events miss up to half of 20,000 files.
      watcher = watch(directory, { depth: 0, ignoreInitial: true, ignored: (path) => path !== directory })
        .on('raw', onHint)
        .on('ready', onHint)
        .on('error', (error) =>
          log.warn({ directory, reason: messageOf(error) }, 'cannot watch a directory'),
        );
    },
    stop,
  };
}

/** Tells a directory from one made later under the same name, which may well have the same inode number. */
async function identityOf(directory: string): Promise<string | null> {
  const found = await stat(directory).catch(() => null);
  return found && `${found.dev}:${found.ino}:${found.birthtimeMs}`;
}
