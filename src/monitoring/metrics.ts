import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Pool } from '../db/pool.js';
import { createNodeInstruments, type NodeMetrics } from './node-metrics.js';

/** What a process tells Prometheus. docs/monitoring.md has every name. */
export interface Metrics {
  /** What the nodes of this process report to; the same for the same name. */
  ofNode(node: string): NodeMetrics;
  /** Tells how much of a pool is in use, for as long as the pool is. */
  watchPool(pool: Pool): void;
  /** `look` is run before each answer and sets what `registry` holds of its own, until the function that this returns is called. */
  before(look: () => Promise<void>): () => void;
  readonly registry: Registry;
  /** All of it in Prometheus' text format. */
  text(): Promise<string>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const looks = new Set<() => Promise<void>>();
  return {
    registry,
    ofNode: createNodeInstruments(registry),
    watchPool: watchPools(registry),
    before(look) {
      looks.add(look);
      return () => looks.delete(look);
    },
    async text() {
      await Promise.all([...looks].map((look) => look()));
      return registry.metrics();
    },
  };
}

/** Of each pool, by the name that its connections have in pg_stat_activity. */
function watchPools(registry: Registry): Metrics['watchPool'] {
  const pools = new Set<Pool>();
  const registers = [registry];
  const live = () => {
    for (const pool of pools) if (pool.ending) pools.delete(pool);
    return pools;
  };
  const nameOf = (pool: Pool) => pool.options.application_name ?? 'campanile';
  new Gauge({
    name: 'campanile_database_connections',
    help: 'Connections to the database that are open, by pool and whether they are at work',
    labelNames: ['pool', 'state'],
    registers,
    collect() {
      this.reset();
      for (const pool of live()) {
        this.set({ pool: nameOf(pool), state: 'idle' }, pool.idleCount);
        this.set({ pool: nameOf(pool), state: 'busy' }, pool.totalCount - pool.idleCount);
      }
    },
  });
  new Gauge({
    name: 'campanile_database_connections_limit',
    help: 'Connections that a pool may open',
    labelNames: ['pool'],
    registers,
    collect() {
      this.reset();
      for (const pool of live()) this.set({ pool: nameOf(pool) }, pool.options.max);
    },
  });
  new Gauge({
    name: 'campanile_database_waiting',
    help: 'Those who wait for a connection of a pool',
    labelNames: ['pool'],
    registers,
    collect() {
      this.reset();
      for (const pool of live()) this.set({ pool: nameOf(pool) }, pool.waitingCount);
    },
  });
  return (pool) => void pools.add(pool);
}
