import type { Fault } from './fault.js';
import type { Done } from './run.js';
import type { AttemptRow, Evidence, Violation } from './verify.js';

/** What a run came to. */
export interface Figures {
  seed: number;
  seconds: number;
  /** By kind; steps of two faults stand under both names, joined. */
  flow: {
    kind: string;
    times: number;
    median: number;
    worst: number;
    outage: number;
    lost: number;
    silent: number;
  }[];
  /** Kinds that were tried, and whose moment never came. */
  notReached: string[];
  /** Kinds that had no room in the time. */
  noRoom: string[];
  contacts: number;
  attempts: number;
  invites: number;
  dispositions: Record<string, number>;
  violations: Violation[];
}

export function figuresOf(run: {
  seed: number;
  seconds: number;
  faults: readonly Fault[];
  done: readonly Done[];
  evidence: Evidence;
  violations: Violation[];
}): Figures {
  const { evidence, done } = run;
  const byKind = new Map<string, (Done & { flowSeconds: number })[]>();
  for (const one of done) {
    const { flowSeconds } = one;
    if (flowSeconds === null) continue;
    const kind = one.kinds.join(' + ');
    byKind.set(kind, [...(byKind.get(kind) ?? []), { ...one, flowSeconds }]);
  }
  const tried = new Set(done.flatMap(({ kinds }) => kinds));
  const reached = new Set(done.filter((one) => one.flowSeconds !== null).flatMap(({ kinds }) => kinds));
  const dispositions: Record<string, number> = {};
  for (const { disposition } of evidence.attempts) {
    dispositions[disposition ?? 'none'] = (dispositions[disposition ?? 'none'] ?? 0) + 1;
  }
  return {
    seed: run.seed,
    seconds: run.seconds,
    flow: [...byKind].map(([kind, all]) => ({
      kind,
      times: all.length,
      median: medianOf(all.map(({ flowSeconds }) => flowSeconds)),
      worst: Math.max(...all.map(({ flowSeconds }) => flowSeconds)),
      outage: Math.max(...all.map(({ outageSeconds }) => outageSeconds)),
      lost: duringAll(all, evidence, ({ disposition }) => disposition === 'lost'),
      silent: duringAll(all, evidence, ({ silent }) => silent),
    })),
    notReached: [...tried].filter((kind) => !reached.has(kind)),
    noRoom: run.faults.map(({ kind }) => kind).filter((kind) => !tried.has(kind)),
    contacts: evidence.contacts.length,
    attempts: evidence.attempts.length,
    invites: evidence.calls.length,
    dispositions,
    violations: run.violations,
  };
}

/** How many attempts that were up during these steps are as `wanted` says. */
function duringAll(
  steps: readonly Done[],
  { attempts }: Evidence,
  wanted: (attempt: AttemptRow) => boolean,
): number {
  const overlaps = ({ claimed_at, ended_at }: AttemptRow) =>
    steps.some(
      ({ startedAt, outageSeconds }) =>
        claimed_at.getTime() < startedAt + outageSeconds * 1000 &&
        (ended_at?.getTime() ?? Number.POSITIVE_INFINITY) > startedAt,
    );
  return attempts.filter((attempt) => wanted(attempt) && overlaps(attempt)).length;
}

/** The middle value; the lower one of two. */
function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
}

const MOST_SHOWN = 50;

/** The figures as a table of text. */
export function render(figures: Figures): string {
  const { flow, violations } = figures;
  const width = Math.max(5, ...flow.map(({ kind }) => kind.length));
  const seconds = (s: number) => (Number.isFinite(s) ? s.toFixed(2) : 'never').padStart(8);
  const sum = flow.reduce((all, { times }) => all + times, 0);
  return [
    '',
    `${'fault'.padEnd(width)}  times  seconds until calls flowed, from its end: median, worst; from its beginning: worst; lost, silent calls`,
    ...flow
      .toSorted((a, b) => a.kind.localeCompare(b.kind))
      .map(
        (f) =>
          `${f.kind.padEnd(width)}  ${String(f.times).padStart(5)}  ${seconds(f.median)} ${seconds(f.worst)} ${seconds(f.outage)} ${String(f.lost).padStart(5)} ${String(f.silent).padStart(5)}`,
      ),
    '',
    ...figures.notReached.map((kind) => `not reached: ${kind}`),
    ...figures.noRoom.map((kind) => `no room in the time: ${kind}`),
    `seed ${figures.seed}, ${figures.seconds.toFixed(0)} s, ${sum} steps of faults`,
    `${figures.contacts} contacts, ${figures.attempts} attempts, ${figures.invites} INVITEs`,
    Object.entries(figures.dispositions)
      .sort(([, a], [, b]) => b - a)
      .map(([disposition, n]) => `${n} ${disposition}`)
      .join(', '),
    ...violations.slice(0, MOST_SHOWN).map(({ rule, what }) => `VIOLATION  ${rule}: ${what}`),
    ...(violations.length > MOST_SHOWN ? [`... and ${violations.length - MOST_SHOWN} more`] : []),
    `${violations.length} violations`,
  ].join('\n');
}
