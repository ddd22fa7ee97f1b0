/** A Postgres of the lab's own: nobody starts it again but the lab. fsync is on. */
export interface LabPostgres {
  /** SIGKILL to all of its processes; resolves when they are gone. */
  kill(): Promise<void>;
  /** An orderly stop, after which the data directory can be copied or put back. */
  stop(): Promise<void>;
  /** Starts it on the same directory and port, and resolves when it answers. */
  start(): Promise<void>;
  readonly running: boolean;
  /** PGDATA. It belongs to the user `postgres` where root runs the lab. */
  readonly dataDir: string;
  readonly url: string;
}
