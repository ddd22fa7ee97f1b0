import { type Terminal, widthOf } from '../terminal.js';

/** Some lines of a terminal that are drawn again and again in the same place. */
export interface Panel {
  draw(lines: readonly string[]): void;
  /** Takes the lines away, or leaves what was drawn last; the cursor is below it. May be called twice. */
  close(how: 'keep' | 'erase'): void;
}

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** A panel on a live terminal. Each drawing is one write, and nothing is blanked first, so that nothing flickers. */
export function openPanel(terminal: Terminal): Panel {
  let drawn: readonly string[] = [];
  let open = true;

  /** To the first line of what was drawn. A terminal that became narrower has broken the lines since. */
  function home(): string {
    const rows = drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / terminal.columns)),
      0,
    );
    return rows > 0 ? `\x1b[${rows}A\r` : '\r';
  }

  terminal.write(HIDE_CURSOR);
  return {
    draw(lines) {
      if (!open) return;
      const text = lines.map((line) => `${line}${CLEAR_LINE}\n`).join('');
      terminal.write(`${home()}${text}${CLEAR_BELOW}`);
      drawn = lines;
    },
    close(how) {
      if (!open) return;
      open = false;
      terminal.write(`${how === 'erase' ? home() + CLEAR_BELOW : ''}${SHOW_CURSOR}`);
    },
  };
}
