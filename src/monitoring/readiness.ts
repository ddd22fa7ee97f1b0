import { setTimeout } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/** What is not ready is said in a sentence for a person, without anything that is secret; null when all is. */
export type Check = () => Promise<string | null>;

/** One thing that must be there before this process does its work. */
export interface Finding {
  name: string;
  ready: boolean;
  problem: string | null;
}

export interface Readiness {
  /** Adds a check, or takes the place of the one of that name. `otherwise` is said where it throws. */
  add(name: string, check: Check, otherwise?: string): void;
  /** Nothing is ready any more. */
  stopping(): void;
  /** Everything that was added, or what of it is named, in its order. Asked again within a second it answers the same. */
  look(names?: readonly string[]): Promise<Finding[]>;
}

const PATIENCE_MS = 2000;
const KEPT_MS = 1000;

/** Whether this process can do its work. What changes is logged, with the reason; an answer has no more than a sentence. */
export function createReadiness(log: Logger): Readiness {
  const checks = new Map<string, { check: Check; otherwise: string }>();
  const wasReady = new Map<string, boolean>();
  let kept: { until: number; findings: Promise<Finding[]> } | null = null;

  async function ask(
    name: string,
    { check, otherwise }: { check: Check; otherwise: string },
  ): Promise<Finding> {
    let reason: string | undefined;
    const problem = await inTime(check).catch((error: unknown) => {
      reason = messageOf(error);
      return otherwise;
    });
    const ready = problem === null;
    const isNews = ready !== (wasReady.get(name) ?? true);
    wasReady.set(name, ready);
    if (isNews && ready) log.info({ check: name }, 'ready');
    else if (isNews) log.warn({ check: name, problem, reason }, 'not ready');
    return { name, ready, problem };
  }

  function lookAtAll(): Promise<Finding[]> {
    const now = performance.now();
    if (kept === null || now >= kept.until) {
      const findings = Promise.all([...checks].map(([name, check]) => ask(name, check)));
      kept = { until: now + KEPT_MS, findings };
    }
    return kept.findings;
  }

  return {
    add(name, check, otherwise = 'it could not be checked') {
      checks.set(name, { check, otherwise });
      kept = null;
    },
    stopping() {
      checks.set('process', { check: async () => 'it is stopping', otherwise: '' });
      kept = null;
    },
    async look(names) {
      const findings = await lookAtAll();
      return names ? findings.filter(({ name }) => names.includes(name)) : findings;
    },
  };
}

async function inTime(check: Check): Promise<string | null> {
  const patience = new AbortController();
  const late = setTimeout(PATIENCE_MS, `it does not answer within ${PATIENCE_MS / 1000} s`, {
    signal: patience.signal,
  });
  late.catch(() => {});
  try {
    return await Promise.race([check(), late]);
  } finally {
    patience.abort();
  }
}
