import type { WriteStream } from 'node:tty';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Where a command writes, and what can be done there. */
export interface Terminal {
  /** Whether lines can be drawn again in place. */
  readonly live: boolean;
  readonly columns: number;
  /** Whether letters beyond ASCII can be shown. */
  readonly unicode: boolean;
  write(text: string): void;
  /** The text in a style, where there is colour. */
  paint(style: Style, text: string): string;
}

// ECMA-48, "Select Graphic Rendition".
const CODES: Record<Style, [on: number, off: number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

const NARROWEST = 40;

/**
 * The terminal behind a stream. `env` tells what it can show: NO_COLOR (no-color.org), TERM=dumb and the locale.
 * What is no terminal, or too narrow for a bar, gets plain lines.
 */
export function createTerminal(
  stream: Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>,
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const isTerminal = stream.isTTY === true && env.TERM !== 'dumb';
  const colour = isTerminal && !env.NO_COLOR;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return {
    get live() {
      return isTerminal && (stream.columns ?? 0) >= NARROWEST;
    },
    get columns() {
      return stream.columns || 80;
    },
    unicode: /utf-?8/i.test(locale),
    write(text) {
      stream.write(text);
    },
    paint(style, text) {
      const [on, off] = CODES[style];
      return colour ? `\x1b[${on}m${text}\x1b[${off}m` : text;
    },
  };
}

/** How many columns a text takes: its letters without the escape sequences of `paint`. */
export function widthOf(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what escape sequences begin with
  return text.replace(/\x1b\[\d+m/g, '').length;
}
