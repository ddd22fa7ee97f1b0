import type { Db } from './pool.js';

export interface NodeLimits {
  name: string;
  ports: number;
  callsPerSecond: number | null;
}

/** Writes down that a node starts, with its limits as configured. */
export async function registerNode(db: Db, node: NodeLimits): Promise<void> {
  await db.query(
    `INSERT INTO nodes (name, ports, calls_per_second) VALUES ($1, $2, $3)
      ON CONFLICT (name) DO UPDATE SET ports = excluded.ports, calls_per_second = excluded.calls_per_second,
        started_at = now(), seen_at = now(), untaken = 0, untaken_since = NULL`,
    [node.name, node.ports, node.callsPerSecond],
  );
}

/** Call files in outgoing/ that the PBX should have taken long ago, and since when the first of them waits. */
export interface Untaken {
  files: number;
  since: Date;
}

/**
 * Writes down that a node is alive, and what its PBX leaves lying (null: nothing). Always 0: that is no work worth a line in the
 * log.
 */
export async function touchNode(db: Db, name: string, untaken: Untaken | null): Promise<number> {
  await db.query('UPDATE nodes SET seen_at = now(), untaken = $2, untaken_since = $3 WHERE name = $1', [
    name,
    untaken?.files ?? 0,
    untaken?.since ?? null,
  ]);
  return 0;
}
