import type { AgiConnection } from './connection.js';

/**
 * The connections that have not shown the token of a call. So that strangers who only connect, or never finish what they
 * say, keep no call of ours out, the oldest of them are closed when there are more than `most`. Waiting for the last file to be
 * taken would be too late: libuv then closes each connection that comes, whoever it is from, and tells nobody.
 */
export interface Strangers {
  add(connection: AgiConnection): void;
  /** It has shown a token, or is closed. */
  delete(connection: AgiConnection): void;
}

/** `closed` is told how many have been closed. */
export function createStrangers(most: number, closed: (connections: number) => void): Strangers {
  // In order of their coming.
  const strangers = new Set<AgiConnection>();
  let due = false;

  function shed(): void {
    due = false;
    const tooMany = Math.max(0, strangers.size - most);
    for (const connection of [...strangers].slice(0, tooMany)) {
      strangers.delete(connection);
      connection.destroy();
    }
    if (tooMany > 0) closed(tooMany);
  }

  return {
    add(connection) {
      strangers.add(connection);
      if (strangers.size <= most || due) return;
      due = true;
      // A round of the event loop later: calls of ours that came together are heard before any of them counts as silent.
      setImmediate(() => setImmediate(shed));
    },
    delete: (connection) => strangers.delete(connection),
  };
}
