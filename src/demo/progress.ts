import { DISPOSITIONS, type Disposition } from '../calls/states.js';
import { type Style, type Terminal, widthOf } from '../terminal.js';
import type { Snapshot } from './watch.js';

/** The colour of a disposition, or of the contact state of the same meaning. */
const STYLES: Partial<Record<Disposition, Style>> = {
  answered: 'green',
  machine: 'green',
  busy: 'yellow',
  no_answer: 'yellow',
};

const LABEL_WIDTH = 11;

/** The live view: a bar, the calls that are up, the contacts and the attempts, no line wider than the terminal. */
export function renderPanel(
  snapshot: Snapshot,
  options: { ports: number; seconds: number; terminal: Terminal },
): string[] {
  const { ports, seconds, terminal } = options;
  const { paint } = terminal;
  const { contacts, attempts, ports_in_use: used } = snapshot.campaign;
  const { total, pending, calling, retrying } = contacts;
  const ended = endedOf(snapshot);
  const ringing = Math.max(0, used - snapshot.talking);
  // Of one width, so that nothing jumps to and fro.
  const number = (n: number) => paint('bold', String(n).padStart(String(total).length));
  return [
    '',
    renderBar(ended / Math.max(1, total), ` ${ended} of ${total}  ${seconds.toFixed(1)} s`, terminal),
    '',
    ...renderItems(
      'calls up',
      [
        `${number(snapshot.talking)} talking`,
        `${number(ringing)} ringing`,
        `ports ${number(used)} of ${ports}`,
      ],
      terminal,
    ),
    ...renderItems(
      'contacts',
      [
        `${number(pending)} waiting`,
        `${number(calling)} calling`,
        `${number(retrying)} to try again`,
        `${number(ended)} done`,
      ],
      terminal,
    ),
    ...renderItems(
      'attempts',
      [`${number(attempts)} in all`, ...dispositionItems(snapshot, terminal)],
      terminal,
    ),
  ];
}

/** The same in one line, for where nothing can be drawn in place. */
export function renderLine(snapshot: Snapshot, ports: number, seconds: number): string {
  const { contacts, ports_in_use: used } = snapshot.campaign;
  const counts = presentOf(snapshot).map(
    (disposition) => `${disposition} ${snapshot.byDisposition[disposition]}`,
  );
  const time = `${seconds.toFixed(0)} s`.padStart(6);
  const calls = `${snapshot.talking} talking, ports ${used} of ${ports}`;
  return `${time}  ${endedOf(snapshot)} of ${contacts.total} done, ${calls}; ${counts.join(', ') || 'no call is over yet'}`;
}

/** The dispositions that some attempt ended as, in their own order, each with its number. */
export function dispositionItems(
  { byDisposition }: Pick<Snapshot, 'byDisposition'>,
  { paint }: Terminal,
): string[] {
  return presentOf({ byDisposition }).map(
    (disposition) =>
      `${paint(STYLES[disposition] ?? 'red', String(byDisposition[disposition]))} ${disposition}`,
  );
}

/** A label and items behind it with `gap` between them, on as many lines as it takes. */
export function renderItems(
  label: string,
  items: readonly string[],
  terminal: Terminal,
  gap = '   ',
): string[] {
  const room = terminal.columns - 1 - 2 - LABEL_WIDTH;
  const rows: string[] = [];
  for (const item of items) {
    const joined = rows.length > 0 ? `${rows.at(-1)}${gap}${item}` : item;
    if (rows.length > 0 && widthOf(joined) <= room) rows[rows.length - 1] = joined;
    else rows.push(item);
  }
  return rows.map((row, i) => `  ${terminal.paint('dim', (i === 0 ? label : '').padEnd(LABEL_WIDTH))}${row}`);
}

function renderBar(share: number, after: string, { columns, unicode, paint }: Terminal): string {
  const width = Math.max(5, Math.min(60, columns - 1 - 2 - after.length));
  const full = Math.floor(Math.min(1, share) * width);
  const [done, rest] = unicode ? ['█', '░'] : ['#', '.'];
  return `  ${paint('green', done.repeat(full))}${paint('dim', rest.repeat(width - full))}${after}`;
}

function endedOf({ campaign }: Snapshot): number {
  const { total, pending, calling, retrying } = campaign.contacts;
  return total - pending - calling - retrying;
}

function presentOf({ byDisposition }: Pick<Snapshot, 'byDisposition'>): Disposition[] {
  return DISPOSITIONS.filter((disposition) => byDisposition[disposition]);
}
