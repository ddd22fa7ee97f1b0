import { openPanel } from './panel.js';
import type { Terminal } from './terminal.js';

const TICK_MS = 200;
const WIDTH = 64;

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
  const line = (text: string, time: string) => `  ${text.padEnd(WIDTH)} ${time.padStart(8)}`;
  const short = (text: string, time: string) => {
    const room = terminal.columns - 1;
    return line(text, time).length <= room ? line(text, time) : `  ${text} ${time}`.slice(0, room);
  };

  async function showing<T>(text: string, work: () => Promise<T>): Promise<T> {
    const since = performance.now();
    const panel = openPanel(terminal);
    const draw = () => panel.draw([short(text, signal.aborted ? 'stopping' : seconds(since))]);
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
      if (!terminal.live) aside(`${text} ...\n`);
      const result = await (terminal.live ? showing(text, work) : work());
      const time = seconds(since);
      return { result, done: (said) => terminal.write(`${line(said, time)}\n`) };
    },
  };
}
