import type { Terminal } from '../terminal.js';
import { openPanel } from './panel.js';

const TICK_MS = 200;
const WIDTH = 64;
/** What is done sooner is not worth a line of its own. */
const ASIDE_MS = 1_000;

/** Says what is being prepared, a line for each step with the seconds it took. */
export interface Steps {
  /** Does `work` as a step of its own. On a live terminal its seconds are seen to run. */
  run<T>(text: string, work: () => Promise<T>): Promise<T>;
  /**
   * Does `work` and shows `text` meanwhile, but leaves nothing on stdout: what stands there first is known only
   * afterwards. `done` of what it resolved to is that step's line.
   */
  first<T>(text: string, work: () => Promise<T>): Promise<{ result: T; done(text: string): void }>;
}

/** `terminal` gets the lines; `aside` (stderr) what is said before the first of them where nothing can be erased. */
export function createSteps(terminal: Terminal, aside: (text: string) => void, signal: AbortSignal): Steps {
  const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const line = (text: string, time: string) => {
    const width = terminal.live ? Math.min(WIDTH, terminal.columns - 12) : WIDTH;
    return `  ${text.slice(0, width).padEnd(width)} ${time.padStart(8)}`;
  };

  async function showing<T>(text: string, work: () => Promise<T>): Promise<T> {
    const since = performance.now();
    const panel = openPanel(terminal);
    const draw = () => panel.draw([line(text, signal.aborted ? 'stopping' : seconds(since))]);
    draw();
    const timer = setInterval(draw, TICK_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      panel.close('erase');
    }
  }

  return {
    async run(text, work) {
      const since = performance.now();
      if (terminal.live) {
        const result = await showing(text, work);
        terminal.write(`${line(text, seconds(since))}\n`);
        return result;
      }
      terminal.write(`  ${text.padEnd(WIDTH)}`);
      try {
        const result = await work();
        terminal.write(` ${seconds(since).padStart(8)}\n`);
        return result;
      } catch (error) {
        terminal.write(' failed\n');
        throw error;
      }
    },
    async first(text, work) {
      const since = performance.now();
      const soon = setTimeout(() => terminal.live || aside(`${text} ...\n`), ASIDE_MS);
      const result = await (terminal.live ? showing(text, work) : work()).finally(() => clearTimeout(soon));
      const time = seconds(since);
      return { result, done: (said) => terminal.write(`${line(said, time)}\n`) };
    },
  };
}
