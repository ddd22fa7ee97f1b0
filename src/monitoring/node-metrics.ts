import { Counter, Histogram, type Registry } from 'prom-client';
import { createAgiInstruments } from './agi-metrics.js';
import { createSpoolInstruments, type SpoolHealth } from './spool-metrics.js';
import { createTrunkLabels } from './trunk-labels.js';

/** The sweeps that find what a hint should have told. */
export const SWEEPS = ['claim', 'archive', 'cancel', 'sip_accounts'] as const;
export type Sweep = (typeof SWEEPS)[number];

/** What the parts of a node report. Each is O(1) for one event; times are seconds. */
export interface NodeMetrics {
  /** Call files were renamed into outgoing/. */
  placed(calls: readonly { trunkId: string }[]): void;
  ended(attempts: readonly { trunkId: string; disposition: string }[]): void;
  /** A turn that claimed calls took so long, up to its commit. */
  claimed(seconds: number): void;
  /** The files of a turn were renamed within this time of its commit. */
  placedWithin(seconds: number): void;
  /** A port was empty for so long. */
  refilled(seconds: number): void;
  /** A sweep found what no hint had told. */
  foundBySweep(sweep: Sweep, things: number): void;
  agi: ReturnType<ReturnType<typeof createAgiInstruments>['of']>;
  reconciled: ReturnType<ReturnType<typeof createSpoolInstruments>['of']>;
  /** Asks these for what is so at each scrape, until the function it returns is called. */
  watch(sources: { agiSessions(): number; spool(): SpoolHealth }): () => void;
}

/** From a millisecond, which a claim takes at best, to half a minute, when the database has long given up. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createNodeInstruments(registry: Registry): (node: string) => NodeMetrics {
  const registers = [registry];
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, labelNames: ['node'], buckets: SECONDS, registers });
  const dials = new Counter({
    name: 'campanile_dials_total',
    help: 'Call files placed, each of them one call',
    labelNames: ['node', 'trunk'],
    registers,
  });
  const ended = new Counter({
    name: 'campanile_calls_ended_total',
    help: 'Calls that ended, by what they ended as',
    labelNames: ['node', 'trunk', 'disposition'],
    registers,
  });
  const claim = histogram(
    'campanile_claim_seconds',
    'How long turns took that claimed calls, with their commit',
  );
  const place = histogram(
    'campanile_place_seconds',
    'From the commit of a claim until its call files are placed',
  );
  const refill = histogram(
    'campanile_refill_seconds',
    'From the end of a call until the next file takes its port',
  );
  const sweeps = new Counter({
    name: 'campanile_sweep_finds_total',
    help: 'Things that a sweep found and no notification or file event had told',
    labelNames: ['node', 'sweep'],
    registers,
  });
  const agi = createAgiInstruments(registers);
  const spool = createSpoolInstruments(registers);
  const trunkLabel = createTrunkLabels();
  const known = new Map<string, NodeMetrics>();

  function make(node: string): NodeMetrics {
    for (const sweep of SWEEPS) sweeps.inc({ node, sweep }, 0);
    for (const one of [claim, place, refill]) one.zero({ node });
    return {
      placed(calls) {
        for (const { trunkId } of calls) dials.inc({ node, trunk: trunkLabel(trunkId) });
      },
      ended(attempts) {
        for (const { trunkId, disposition } of attempts)
          ended.inc({ node, trunk: trunkLabel(trunkId), disposition });
      },
      claimed: (seconds) => claim.observe({ node }, seconds),
      placedWithin: (seconds) => place.observe({ node }, seconds),
      refilled: (seconds) => refill.observe({ node }, seconds),
      foundBySweep: (sweep, things) => sweeps.inc({ node, sweep }, things),
      agi: agi.of(node),
      reconciled: spool.of(node),
      watch(sources) {
        const stops = [agi.watch(node, sources.agiSessions), spool.watch(node, sources.spool)];
        return () => {
          for (const stop of stops) stop();
        };
      },
    };
  }

  return (node) => {
    const metrics = known.get(node) ?? make(node);
    known.set(node, metrics);
    return metrics;
  };
}
