import type { AgiServer } from '../agi/server.js';
import type { NodeMetrics } from '../monitoring/node-metrics.js';
import type { Readiness } from '../monitoring/readiness.js';
import type { Spool } from '../spool/directories.js';
import { probeSpool } from '../spool/probe.js';
import type { Reconciler } from '../spool/reconciler.js';

/** The spool and the open attempts are compared every 5 s (src/spool/reconciler.ts). */
const LATE_SECONDS = 30;

/** Has the node's metrics and readiness look at its parts, until the function that it returns is called. */
export function watchNode(options: {
  metrics: NodeMetrics;
  readiness: Readiness | undefined;
  spool: Spool;
  agi: AgiServer;
  reconciler: Reconciler;
}): () => void {
  const { metrics, readiness, spool, agi, reconciler } = options;
  const lagSeconds = () => {
    const compared = reconciler.compared();
    return compared && (performance.now() - compared.at) / 1000;
  };
  if (readiness) {
    readiness.add('spool', () => probeSpool(spool), 'no file can be written into campanile/staging');
    readiness.add('asterisk', async () => {
      if (!(await spool.asteriskStartedAt())) return 'Asterisk does not run';
      return reconciler.untaken() === null ? null : 'Asterisk has not taken call files that it should have';
    });
    readiness.add('fastagi', async () => (agi.listening ? null : 'FastAGI does not listen'));
    readiness.add('reconcile', async () => {
      const lag = lagSeconds();
      if (lag !== null && lag < LATE_SECONDS) return null;
      return `spool and open attempts were not compared for ${LATE_SECONDS} s`;
    });
  }
  return metrics.watch({
    agiSessions: () => agi.sessions,
    spool() {
      const compared = reconciler.compared();
      const since = compared?.unfinishedSince ?? null;
      return {
        lagSeconds: lagSeconds(),
        leaked: compared?.leaked ?? 0,
        unfinishedSeconds: since && Math.max(0, Date.now() - since.getTime()) / 1000,
        untaken: reconciler.untaken()?.files ?? 0,
      };
    },
  });
}

/** A periodic run whose work a hint should have told: what it finds is counted. */
export function bySweep(
  metrics: Pick<NodeMetrics, 'foundBySweep'>,
  sweep: Parameters<NodeMetrics['foundBySweep']>[0],
  run: () => Promise<number>,
): () => Promise<number> {
  return async () => {
    const found = await run();
    if (found > 0) metrics.foundBySweep(sweep, found);
    return found;
  };
}
