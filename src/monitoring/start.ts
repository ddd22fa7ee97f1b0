import type { HostPort } from '../config.js';
import { findMissingMigrations } from '../db/migrate.js';
import { createPool, type Pool } from '../db/pool.js';
import type { Logger } from '../log.js';
import { createInstallationGauges } from './installation.js';
import { createMetrics, type Metrics } from './metrics.js';
import { createReadiness, type Readiness } from './readiness.js';
import { createMonitoringServer } from './server.js';

/** What a process tells of itself while it runs. */
export interface Monitoring {
  metrics: Metrics;
  readiness: Readiness;
  readonly port: number | null;
  /** The database is open: it is looked at over connections of its own, until the function that this returns is called. */
  watchDatabase(url: string): () => Promise<void>;
  /** All of it has been started. */
  started(): void;
  stopping(): void;
  stop(): Promise<void>;
}

/** Those of the checks that the API needs: it tells why nothing is dialled, so it must not be taken away when that is so. */
export const API_CHECKS = ['process', 'database', 'migrations'];

/** Starts the listener, first of all: who starts, and on what it waits, is to be seen too. */
export async function startMonitoring(listen: HostPort, log: Logger): Promise<Monitoring> {
  const metrics = createMetrics();
  const readiness = createReadiness(log);
  const server = createMonitoringServer({ listen, metrics, readiness, log });
  let isStarted = false;
  readiness.add('process', async () => (isStarted ? null : 'it is starting'));
  readiness.add('database', async () => 'it is not open yet');
  await server.start();
  return {
    metrics,
    readiness,
    get port() {
      return server.port;
    },
    watchDatabase(url) {
      const pool = createPool(url, log, { name: 'campanile monitoring', max: 2, statementSeconds: 5 });
      metrics.watchPool(pool);
      const forget = metrics.before(createInstallationGauges(metrics.registry, pool, log));
      checkDatabase(readiness, pool);
      return () => {
        forget();
        return pool.end();
      };
    },
    started() {
      isStarted = true;
    },
    stopping: readiness.stopping,
    stop: server.stop,
  };
}

function checkDatabase(readiness: Readiness, pool: Pool): void {
  const silent = 'the database does not answer';
  readiness.add('database', () => pool.query('SELECT 1').then(() => null), silent);
  readiness.add(
    'migrations',
    async () => {
      const missing = await findMissingMigrations(pool);
      return missing.length === 0 ? null : `the database lacks ${missing.join(', ')}: restart campanile`;
    },
    silent,
  );
}
