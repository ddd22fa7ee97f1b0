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
        started_at = now(), seen_at = now()`,
    [node.name, node.ports, node.callsPerSecond],
  );
}

/** Writes down that a node is alive. Always 0: that is no work worth a line in the log. */
export async function touchNode(db: Db, name: string): Promise<number> {
  await db.query('UPDATE nodes SET seen_at = now() WHERE name = $1', [name]);
  return 0;
}
