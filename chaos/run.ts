import { setTimeout as sleep } from 'node:timers/promises';
import { CampanileError } from '../src/errors.js';
import { until } from '../src/lab/condition.js';
import { gather } from './evidence.js';
import { type Fault, type Injected, NotReached } from './fault.js';
import { type Flow, untilCallsFlow } from './flow.js';
import { type ChaosLab, startChaosLab } from './lab.js';
import { insertLoad, type Load, TO_BE_CANCELLED, TO_BE_PAUSED } from './load.js';
import { plan, type Step, secondsOf } from './plan.js';
import { createRandom } from './random.js';
import { type Figures, figuresOf } from './report.js';
import { type Violation, verify } from './verify.js';

export interface RunOptions {
  minutes: number;
  seed: number;
  faults: readonly Fault[];
  asterisk: '22' | '16';
  log(text: string): void;
  /** How old the copies are that databases are restored from; by default some seconds, for runs are short. */
  copyMinutes?: number | undefined;
  /** Keep the lab's directory, with all logs. */
  keep?: boolean;
  /** Breaks the run off: it throws, and nothing is left running. */
  signal?: AbortSignal;
  /** What is not a violation yet: seconds from a fault's end until calls flow. */
  flowLimitSeconds?: number;
}

/** A step that was done, and how long calls took to flow after it. */
export interface Done {
  kinds: string[];
  /** Milliseconds since 1970. */
  startedAt: number;
  /** From when the cause was gone; null when the fault could not be brought about, infinite when no call came. */
  flowSeconds: number | null;
  /** The same from the fault's beginning. */
  outageSeconds: number;
}

const PORTS = 30;
const FLOW_LIMIT_SECONDS = 5;
const COPY_AGE_MS = { from: 10_000, to: 40_000 };
/** When the two campaigns are stopped, in parts of a run; late where copies are old, for a copy would forget it. */
const STOPS = { usual: [0.4, 0.6], late: [0.9, 0.95] } as const;
const TOP_UP_EVERY_MS = 1000;
/** Calls whose clock was set back may ring for five minutes (src/node/ringing.ts). */
const DRAIN_MS = 400_000;
const MOST_PASSED_OVER = 100;

/** One run: the load, the plan, the drain and the verdict. Throws only when the lab itself cannot go on. */
export async function runChaos(options: RunOptions): Promise<Figures> {
  const { seed, log } = options;
  let draw = createRandom(seed);
  const { copyMinutes } = options;
  // A restore waits for as long as its copy is to be old.
  const faults = options.faults.map((fault) =>
    fault.component === 'database-copy' && copyMinutes
      ? { ...fault, seconds: fault.seconds + copyMinutes * 60 }
      : fault,
  );
  const copyAgeMs = copyMinutes ? { from: copyMinutes * 60_000, to: copyMinutes * 60_000 } : COPY_AGE_MS;
  const lab = await startChaosLab({ ...options, ports: PORTS, random: () => draw(), copyAgeMs });
  const violations: Violation[] = [];
  const injected: Injected[] = [];
  const done: Done[] = [];
  let over = false;
  lab.campanile.onEnd = (reason) => {
    // A fail point, whose fault starts it again.
    if (over || reason === 'SIGKILL') return;
    log(`campanile ended by itself: ${reason}`);
    violations.push({ rule: 'campanile ends only when it is asked to', what: reason });
    void lab.campanile.start();
  };
  async function run(): Promise<Figures> {
    const load = await insertLoad(lab);
    log(`the lab runs in ${lab.dir}`);
    const startedAt = Date.now();
    const deadline = startedAt + options.minutes * 60_000;
    await untilCallsFlow(lab, load, startedAt);
    const busy = keepBusy(load, startedAt, deadline, copyMinutes ? STOPS.late : STOPS.usual);
    // It is waited for at the end of the faults.
    busy.catch(() => {});
    for (const step of fitting(plan(faults, seed), deadline)) {
      draw = createRandom(step.seed);
      await sleep(step.pause * 1000);
      const startedAt = Date.now();
      const flow = await take(step, lab, load, injected);
      const kinds = step.faults.map(({ kind }) => kind);
      const flowSeconds = flow && (flow.seconds ?? Number.POSITIVE_INFINITY);
      done.push({ kinds, startedAt, flowSeconds, outageSeconds: (Date.now() - startedAt) / 1000 });
      if (flow) violations.push(...flowsTooLate(kinds, flow, load, options.flowLimitSeconds));
    }
    await busy;
    await drain(lab, violations);
    over = true;
    const evidence = await gather(lab, load, injected);
    violations.push(...verify(evidence));
    return figuresOf({ seed, faults, done, evidence, violations, seconds: (Date.now() - startedAt) / 1000 });
  }

  try {
    return await Promise.race([run(), broken(options.signal)]);
  } finally {
    over = true;
    await lab.stop();
  }
}

/** Rejects when `signal` is given and fires. */
function broken(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const breakOff = () => reject(new CampanileError('interrupted', 'broken off'));
    if (signal?.aborted) breakOff();
    signal?.addEventListener('abort', breakOff);
  });
}

/** The steps for which there is time before `deadline`, until for many in a row there is none. */
function* fitting(steps: Iterable<Step>, deadline: number): Generator<Step> {
  let passedOver = 0;
  for (const step of steps) {
    if (Date.now() + secondsOf(step) * 1000 <= deadline) {
      passedOver = 0;
      yield step;
    } else if (++passedOver > MOST_PASSED_OVER) return;
  }
}

/** Injects the faults of a step side by side, and waits until calls flow again; null when one could not be brought about. */
async function take(step: Step, lab: ChaosLab, load: Load, injected: Injected[]): Promise<Flow | null> {
  lab.log(step.faults.map(({ kind }) => kind).join(' + '));
  const reached = await Promise.all(step.faults.map((fault) => inject(fault, lab, load, injected)));
  if (reached.includes(false)) return null;
  const flow = await untilCallsFlow(lab, load, Date.now());
  lab.log(`  ${textOf(flow)}`);
  return flow;
}

function textOf({ seconds }: Flow): string {
  return seconds === null ? 'calls do not flow' : `calls flow after ${seconds.toFixed(2)} s`;
}

function flowsTooLate(kinds: string[], flow: Flow, load: Load, limit = FLOW_LIMIT_SECONDS): Violation[] {
  if (flow.seconds !== null && flow.seconds <= limit) return [];
  const name = load.campaigns.find(({ tenantId }) => tenantId === flow.last)?.name ?? flow.last;
  const what = `${kinds.join(' + ')}: ${textOf(flow)} for the tenant of campaign ${name}`;
  return [{ rule: `calls flow within ${limit} s`, what }];
}

/** False when the fault could not be brought about. */
async function inject(fault: Fault, lab: ChaosLab, load: Load, injected: Injected[]): Promise<boolean> {
  const { kind, component, allows } = fault;
  const startedAt = Date.now();
  const entry = {
    kind,
    component,
    startedAt,
    goneAt: Number.POSITIVE_INFINITY,
    ...(allows ? { allows } : {}),
  };
  injected.push(entry);
  try {
    await fault.inject(lab, load);
    return true;
  } catch (error) {
    if (!(error instanceof NotReached)) throw error;
    lab.log(`  ${error.message}`);
    return false;
  } finally {
    entry.goneAt = Date.now();
  }
}

/** Contacts for as long as the run lasts; and two campaigns that are stopped in its middle. */
async function keepBusy(
  load: Load,
  startedAt: number,
  deadline: number,
  [cancelAt, pauseAt]: readonly [number, number],
): Promise<void> {
  const stopAt = (part: number) => sleep(startedAt + (deadline - startedAt) * part - Date.now());
  const named = (name: string) => load.campaigns.find((campaign) => campaign.name === name)!;
  const stops = [
    stopAt(cancelAt).then(() => load.stop(named(TO_BE_CANCELLED), 'cancel')),
    stopAt(pauseAt).then(() => load.stop(named(TO_BE_PAUSED), 'pause')),
  ];
  while (Date.now() < deadline) {
    await load.topUp();
    await sleep(TOP_UP_EVERY_MS);
  }
  await Promise.all(stops);
}

/** Waits until every campaign that was not stopped is over and no call is up. */
async function drain(lab: ChaosLab, violations: Violation[]): Promise<void> {
  lab.log('no more faults, the load drains');
  const left = () =>
    lab.query<{ name: string; pending: string; calling: string; retrying: string }>(
      `SELECT name, pending, calling, retrying FROM campaigns
        WHERE status NOT IN ('completed', 'paused', 'cancelled') OR calling > 0`,
    );
  const drained = await until(async () => (await left()).length === 0, {
    timeoutMs: DRAIN_MS,
    everyMs: 500,
  });
  if (drained) return;
  violations.push({ rule: 'the load drains', what: JSON.stringify(await left()) });
}
