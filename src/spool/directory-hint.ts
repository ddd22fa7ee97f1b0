import { stat } from 'node:fs/promises';
import { FSWatcher } from 'chokidar';
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

/**
 * chokidar with one inotify watch and no work for each file: its own events miss up to half of 20,000 files, and to make
 * them it lists the directory and stats each file of it at every event, which took a quarter of this process at 200
 * calls a second. Whoever is told looks for himself. (chokidar is pinned to the version this was read from.)
 */
class RawWatcher extends FSWatcher {
  override _readdirp(): undefined {
    return undefined;
  }
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
      watcher = new RawWatcher({ depth: 0, ignoreInitial: true, ignored: (path) => path !== directory })
        .on('raw', onHint)
        .on('ready', onHint)
        .on('error', (error) => log.warn({ directory, reason: messageOf(error) }, 'cannot watch a directory'))
        .add(directory);
    },
    stop,
  };
}

/** Tells a directory from one made later under the same name, which may well have the same inode number. */
async function identityOf(directory: string): Promise<string | null> {
  const found = await stat(directory).catch(() => null);
  return found && `${found.dev}:${found.ino}:${found.birthtimeMs}`;
}
