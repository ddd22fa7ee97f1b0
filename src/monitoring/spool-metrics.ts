import { Counter, Gauge, type Registry } from 'prom-client';

/** What the comparison of spool and database found last; ages are seconds, and null is for nothing. */
export interface SpoolHealth {
  /** Since it was done; null before the first time. */
  lagSeconds: number | null;
  /** Open attempts without a file and without a call, beyond the grace. */
  leaked: number;
  /** For how long the call has been over that has waited longest for its end to be written down. */
  unfinishedSeconds: number | null;
  /** Call files that the PBX should have taken. */
  untaken: number;
}

/** The actions of src/spool/reconcile.ts, but for `leave`. */
const ACTIONS = [
  'release',
  'announce',
  'restore',
  'withdraw',
  'finish',
  'conclude',
  'lost',
  'remove',
  'quarantine',
];

export function createSpoolInstruments(registers: Registry[]) {
  const sources = new Map<string, () => SpoolHealth>();
  const gauge = (name: string, help: string, of: (health: SpoolHealth) => number | null) =>
    new Gauge({
      name,
      help,
      labelNames: ['node'],
      registers,
      collect() {
        this.reset();
        for (const [node, source] of sources) {
          const value = of(source());
          if (value !== null) this.set({ node }, value);
        }
      },
    });
  gauge(
    'campanile_reconcile_lag_seconds',
    'Since spool and open attempts were last compared',
    (health) => health.lagSeconds,
  );
  gauge(
    'campanile_leaked_ports',
    'Ports held by attempts without a file and without a call for longer than the grace',
    (health) => health.leaked,
  );
  gauge(
    'campanile_unfinished_seconds',
    'For how long the call is over that has waited longest to be written down as ended',
    (health) => health.unfinishedSeconds ?? 0,
  );
  gauge(
    'campanile_untaken_files',
    'Call files that the PBX should have taken and has not',
    (health) => health.untaken,
  );
  const reconciled = new Counter({
    name: 'campanile_reconciled_total',
    help: 'Calls that the comparison of spool and database set right, by what was done',
    labelNames: ['node', 'action'],
    registers,
  });
  const orphans = new Counter({
    name: 'campanile_orphans_total',
    help: 'Call files found without an attempt (file), and open attempts found without a file (attempt)',
    labelNames: ['node', 'kind'],
    registers,
  });
  return {
    of(node: string) {
      for (const action of ACTIONS) reconciled.inc({ node, action }, 0);
      for (const kind of ['file', 'attempt']) orphans.inc({ node, kind }, 0);
      return (counts: Readonly<Record<string, number>>, found: { files: number; attempts: number }) => {
        for (const [action, calls] of Object.entries(counts)) reconciled.inc({ node, action }, calls);
        orphans.inc({ node, kind: 'file' }, found.files);
        orphans.inc({ node, kind: 'attempt' }, found.attempts);
      };
    },
    watch(node: string, source: () => SpoolHealth): () => void {
      sources.set(node, source);
      return () => sources.delete(node);
    },
  };
}
