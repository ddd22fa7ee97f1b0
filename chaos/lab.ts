import type { Config } from '../src/config.js';
import type { FarEnd } from '../src/lab/far-end.js';
import type { AgiRelay } from './agi-relay.js';
import type { CampanileProgram } from './campanile.js';
import type { LabAsterisk } from './pbx.js';
import type { LabPostgres } from './postgres.js';

/** All that a fault can reach: the real programs, each a process of its own. */
export interface ChaosLab {
  /** What `campanile serve` runs with: spoolDir, listen, agiListen, ... */
  readonly config: Config;
  /** The lab's own directory: everything lies below it. */
  readonly dir: string;
  /** 0 to 1, seeded. */
  readonly random: () => number;
  readonly campanile: CampanileProgram;
  readonly asterisk: LabAsterisk;
  readonly postgres: LabPostgres;
  /** Stands between Asterisk and our FastAGI: the call files name it. */
  readonly agi: AgiRelay;
  readonly farEnd: FarEnd;
  /** Rows of the database; waits while Postgres is away. */
  query<T>(sql: string, values?: unknown[]): Promise<T[]>;
  /** A line of what is going on, with the time. */
  log(text: string): void;
}
