import type { ReadStream } from 'node:tty';

/** The keys of the phone that a person at a terminal holds. */
export interface Keyboard {
  /** What is pressed while a prompt of so many milliseconds is heard; null when nothing is. */
  during(ms: number): Promise<string | null>;
  /** What is pressed within `ms` milliseconds; null when nothing is. */
  within(ms: number): Promise<string | null>;
  close(): void;
}

/** Typed for: the callee hangs up. */
export const HANG_UP = 'h';

const CTRL_C = '\u0003';

/** The terminal behind `stream`, whose keys count at once; else the lines of it, one for each time that a key is waited for. */
export async function openKeyboard(
  stream: AsyncIterable<Buffer> & Partial<Pick<ReadStream, 'isTTY'>>,
): Promise<Keyboard> {
  if (stream.isTTY) return openTerminal(stream as unknown as ReadStream);
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  return {
    during: () => Promise.resolve(null),
    within: () => Promise.resolve(lines.shift()?.trim().slice(0, 1) || null),
    close() {},
  };
}

function openTerminal(stream: ReadStream): Keyboard {
  const typed: string[] = [];
  let tell: () => void = () => {};
  const onData = (chunk: Buffer) => {
    for (const key of chunk.toString()) typed.push(key === CTRL_C ? HANG_UP : key);
    tell();
  };
  stream.setRawMode(true);
  stream.on('data', onData).resume();

  async function within(ms: number): Promise<string | null> {
    if (typed.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        tell = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return typed.shift() ?? null;
  }

  return {
    during: within,
    within,
    close() {
      stream.off('data', onData).pause();
      stream.setRawMode(false);
    },
  };
}
