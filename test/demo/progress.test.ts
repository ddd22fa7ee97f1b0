import { describe, expect, it } from 'vitest';
import type { ShownCampaign } from '../../src/demo/api-client.js';
import { openPanel } from '../../src/demo/panel.js';
import { renderLine, renderPanel } from '../../src/demo/progress.js';
import type { Snapshot } from '../../src/demo/watch.js';
import { createTerminal, type Terminal, widthOf } from '../../src/terminal.js';

const snapshot: Snapshot = {
  campaign: {
    status: 'running',
    attempts: 97,
    ports_in_use: 20,
    contacts: {
      total: 200,
      pending: 110,
      calling: 20,
      retrying: 10,
      answered: 40,
      busy: 5,
      no_answer: 5,
      failed: 8,
      invalid: 2,
      suppressed: 0,
      cancelled: 0,
      expired: 0,
    },
  } as ShownCampaign,
  byDisposition: { answered: 40, busy: 15, no_answer: 9, rejected: 6, invalid_number: 2, congestion: 5 },
  talking: 13,
};

function terminalOf(
  columns: number,
  env: Record<string, string> = {},
): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  return { terminal: createTerminal({ isTTY: true, columns, write }, { LANG: 'C.UTF-8', ...env }), written };
}

const panel = (terminal: Terminal) => renderPanel(snapshot, { ports: 20, seconds: 9.26, terminal });

describe('the live view of the demo', () => {
  it('shows the bar, the calls, the contacts and the dispositions', () => {
    const { terminal } = terminalOf(120, { NO_COLOR: '1' });
    expect(panel(terminal)).toEqual([
      '',
      `  ${'█'.repeat(18)}${'░'.repeat(42)} 60 of 200  9.3 s`,
      '',
      '  calls up    13 talking     7 ringing   ports  20 of 20',
      '  contacts   110 waiting    20 calling    10 to try again    60 done',
      '  attempts    97 in all   40 answered   15 busy   9 no_answer   6 rejected   2 invalid_number   5 congestion',
    ]);
  });

  it('never fills the last column, however narrow the terminal is', () => {
    for (let columns = 40; columns <= 200; columns += 1) {
      const { terminal } = terminalOf(columns);
      for (const line of panel(terminal)) expect(widthOf(line)).toBeLessThan(columns);
    }
  });

  it('uses letters that every terminal has where the locale is not UTF-8', () => {
    const { terminal } = terminalOf(80, { LANG: 'C', NO_COLOR: '1' });
    expect(panel(terminal).join('')).toMatch(/^[\x20-\x7e]+$/);
  });

  it('has no colour with NO_COLOR, and with it otherwise', () => {
    expect(panel(terminalOf(80, { NO_COLOR: '1' }).terminal).join('')).not.toContain('\x1b');
    expect(panel(terminalOf(80, { NO_COLOR: '' }).terminal).join('')).toContain('\x1b[32m');
  });

  it('is one line where nothing can be drawn in place', () => {
    expect(renderLine(snapshot, 20, 9.26)).toBe(
      '   9 s  60 of 200 done, 13 talking, ports 20 of 20; answered 40, busy 15, no_answer 9, rejected 6, invalid_number 2, congestion 5',
    );
  });

  it('is not drawn in place where there is no terminal, a dumb one, or hardly any room', () => {
    const write = () => true;
    expect(createTerminal({ write }, {}).live).toBe(false);
    expect(createTerminal({ isTTY: true, columns: 80, write }, { TERM: 'dumb' }).live).toBe(false);
    expect(terminalOf(39).terminal.live).toBe(false);
    expect(terminalOf(40).terminal.live).toBe(true);
  });
});

describe('a panel', () => {
  it('draws over its own lines in one write, and gives the cursor back', () => {
    const { terminal, written } = terminalOf(80);
    const panel = openPanel(terminal);
    panel.draw(['one', 'two']);
    panel.draw(['three']);
    panel.close('keep');
    panel.close('keep');
    expect(written).toEqual([
      '\x1b[?25l',
      '\rone\x1b[K\ntwo\x1b[K\n\x1b[J',
      '\x1b[2A\rthree\x1b[K\n\x1b[J',
      '\x1b[?25h',
    ]);
  });

  it('counts the rows that its lines take since the terminal became narrower', () => {
    const written: string[] = [];
    const size = { isTTY: true, columns: 80, write: (text: string) => written.push(text) > 0 };
    const panel = openPanel(createTerminal(size, {}));
    panel.draw(['x'.repeat(70), '']);
    size.columns = 40;
    panel.draw(['y']);
    expect(written.at(-1)).toContain('\x1b[3A\r');
  });
});
