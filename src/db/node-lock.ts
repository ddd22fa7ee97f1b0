import pg from 'pg';
import { CampanileError } from '../errors.js';

/** Holds a node's name for this process. */
export interface NodeLock {
  release(): Promise<void>;
}

const NODE_LOCKS = 0x6e6f6465; // "node"

/**
 * Makes sure that no two processes are the same node: they would serve one spool twice. The lock is a session's of
 * Postgres, so it goes with the process however that ends. When the connection breaks, `onLost` is called.
 * Throws a CampanileError (code `node_taken`) when another process holds the name.
 */
export async function lockNode(url: string, node: string, onLost: () => void): Promise<NodeLock> {
  const client = new pg.Client({
    connectionString: url,
    application_name: `campanile node ${node}`,
    keepAlive: true,
  });
  let released = false;
  let lost = false;
  const lose = () => {
    if (released || lost) return;
    lost = true;
    onLost();
  };
  client.on('error', lose);
  client.on('end', lose);
  await client.connect();
  const { rows } = await client.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_lock($1, hashtext($2)) AS taken',
    [NODE_LOCKS, node],
  );
  if (!rows[0]?.taken) {
    released = true;
    await client.end();
    throw new CampanileError(
      'node_taken',
      `another campanile process is node "${node}": stop it first, or set CAMPANILE_NODE to a name of its own`,
    );
  }
  return {
    async release() {
      released = true;
      await client.end().catch(() => {});
    },
  };
}
