import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { CampanileError } from '../errors.js';
import type { Logger } from '../log.js';

/** Holds a node's name for this process. */
export interface NodeLock {
  /** Throws a CampanileError (`node_lost`) while the lock is not held: nothing may be placed or set right then. */
  require(): void;
  release(): Promise<void>;
}

export interface NodeLockOptions {
  /** The database is back, perhaps from a copy: what is to be done before anything may be placed. */
  beforeRegained(): Promise<unknown>;
  /** The lock is held again, after the database was away. */
  onRegained(): void;
  /** Another process has become the node meanwhile (`node_taken`): this one must not go on. */
  onTaken(error: CampanileError): void;
  log: Logger;
}

const NODE_LOCKS = 0x6e6f6465; // "node"
const AGAIN_MS = { first: 50, longest: 1000 };
/** A server that ends our session may answer the next one before it has let go of the lock. */
const LET_GO_MS = 2000;

/**
 * Makes sure that no two processes are the same node: they would serve one spool twice. The lock is a session's of
 * Postgres, so it goes with the process however that ends. When the connection breaks, it is taken again as soon as the
 * database is back. Throws a CampanileError (code `node_taken`) when another process holds the name.
 */
export async function lockNode(url: string, node: string, options: NodeLockOptions): Promise<NodeLock> {
  const { beforeRegained, onRegained, onTaken, log } = options;
  let released = false;
  let held: pg.Client | null = null;

  /** Connects and locks, and holds the lock once `first` is done; null when another session has it. */
  async function take(first: () => Promise<unknown>): Promise<pg.Client | null> {
    const client = new pg.Client({
      connectionString: url,
      application_name: `campanile node ${node}`,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    let broken = false;
    const lose = () => {
      broken = true;
      if (held !== client) return;
      held = null;
      if (!released) void takeAgain();
    };
    client.on('error', lose);
    client.on('end', lose);
    try {
      await client.connect();
      const { rows } = await client.query<{ taken: boolean }>(
        'SELECT pg_try_advisory_lock($1, hashtext($2)) AS taken',
        [NODE_LOCKS, node],
      );
      if (rows[0]?.taken) {
        await first();
        if (broken) throw new CampanileError('node_lost', `lost the lock of node "${node}" again`);
        held = client;
        return client;
      }
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    await client.end();
    return null;
  }

  async function takeAgain(): Promise<void> {
    log.warn({ node }, 'lost the connection that holds this node: nothing is placed until it is back');
    let refusedSince: number | null = null;
    for (let pause = AGAIN_MS.first; !released; pause = Math.min(2 * pause, AGAIN_MS.longest)) {
      await sleep(pause);
      if (released) return;
      const client = await take(beforeRegained).catch(() => undefined);
      if (client === undefined) continue;
      if (client) {
        if (released) return void (await client.end().catch(() => {}));
        log.info({ node }, 'this process is the node again');
        return onRegained();
      }
      refusedSince ??= performance.now();
      if (performance.now() - refusedSince > LET_GO_MS) return onTaken(takenError(node));
    }
  }

  if (!(await take(async () => {}))) throw takenError(node);
  return {
    require() {
      if (!held)
        throw new CampanileError('node_lost', `this process does not hold node "${node}" at present`);
    },
    async release() {
      released = true;
      const client = held;
      held = null;
      await client?.end().catch(() => {});
    },
  };
}

function takenError(node: string): CampanileError {
  return new CampanileError(
    'node_taken',
    `another campanile process is node "${node}": stop it first, or set CAMPANILE_NODE to a name of its own`,
  );
}
