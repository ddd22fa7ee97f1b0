import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** How a FastAGI session ended: the call with it; it was served; it could not be; there were too many. */
export type AgiResult = 'served' | 'hangup' | 'failed' | 'refused';

/** Silence begins to be heard after some tenths of a second. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createAgiInstruments(registers: Registry[]) {
  const sources = new Map<string, () => number>();
  new Gauge({
    name: 'campanile_agi_sessions',
    help: 'FastAGI sessions that are open',
    labelNames: ['node'],
    registers,
    collect() {
      this.reset();
      for (const [node, sessions] of sources) this.set({ node }, sessions());
    },
  });
  const sessions = new Counter({
    name: 'campanile_agi_sessions_total',
    help: 'FastAGI sessions that are over, by script and how they ended',
    labelNames: ['node', 'script', 'result'],
    registers,
  });
  const firstCommand = new Histogram({
    name: 'campanile_agi_first_command_seconds',
    help: 'From the connection of a FastAGI session to its first command',
    labelNames: ['node', 'script'],
    buckets: SECONDS,
    registers,
  });
  return {
    of(node: string) {
      for (const result of ['served', 'hangup', 'failed'])
        sessions.inc({ node, script: 'answered', result }, 0);
      for (const result of ['failed', 'refused']) sessions.inc({ node, script: 'unknown', result }, 0);
      firstCommand.zero({ node, script: 'answered' });
      return {
        firstCommand: (script: string, seconds: number) => firstCommand.observe({ node, script }, seconds),
        ended: (script: string, result: AgiResult) => sessions.inc({ node, script, result }),
      };
    },
    watch(node: string, source: () => number): () => void {
      sources.set(node, source);
      return () => sources.delete(node);
    },
  };
}
