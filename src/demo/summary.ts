import type { Disposition } from '../calls/states.js';
import { type Terminal, widthOf } from '../terminal.js';
import type { ShownAttempt, ShownCampaign } from './api-client.js';
import { expectationOf } from './kinds.js';
import type { Measures } from './measures.js';
import { dispositionItems, renderItems } from './progress.js';
import type { KindResult, Verdict } from './verdict.js';

/** All that is known when the campaign is over. */
export interface Results {
  campaign: ShownCampaign;
  attempts: readonly ShownAttempt[];
  ports: number;
  measures: Measures;
  verdict: Verdict;
}

/** The table that the demo ends with. */
export function renderSummary(results: Results, terminal: Terminal): string {
  return [
    '',
    ...renderKinds(results.verdict.kinds, terminal),
    '',
    ...renderCounts(results, terminal),
    ...renderMeasures(results, terminal),
    '',
  ].join('\n');
}

function renderKinds(kinds: readonly KindResult[], { paint }: Terminal): string[] {
  const header = ['a far end that', 'must end as', 'attempts', 'contacts', 'matched'];
  const rows = kinds.map(({ kind, contacts, matched }) => {
    const { state, attempts } = expectationOf(kind);
    const mark = paint(matched === contacts ? 'green' : 'red', String(matched));
    return [kind.title, state, `${attempts} each`, String(contacts), mark];
  });
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => widthOf(row[i]!))));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => pad(cell, widths[i]!, i >= 2)).join('   ')}`.trimEnd();
  return [paint('bold', line(header)), ...rows.map(line)];
}

function renderCounts({ campaign, attempts, measures }: Results, terminal: Terminal): string[] {
  const { total, ...states } = campaign.contacts;
  const present = Object.entries(states).filter(([, n]) => n > 0);
  const byDisposition: Partial<Record<Disposition, number>> = {};
  for (const { disposition } of attempts) {
    if (disposition) byDisposition[disposition] = (byDisposition[disposition] ?? 0) + 1;
  }
  const ended = dispositionItems({ byDisposition }, terminal);
  return [
    ...renderItems(
      'contacts',
      [`${total} in all`, ...present.map(([state, n]) => `${n} ${state}`)],
      terminal,
    ),
    ...renderItems('attempts', [`${campaign.attempts} in all`, ...ended], terminal),
    ...renderItems('retries', [`${measures.retries}`], terminal),
  ];
}

function renderMeasures({ measures, ports }: Results, terminal: Terminal): string[] {
  const { seconds, callsPerSecond, held, onLine, most, mostCrossing } = measures;
  const { paint } = terminal;
  const used = [
    `${paint('bold', percent(held.share))} in use while work was due`,
    `${percent(onLine.share)} on the line`,
  ];
  const how =
    `port-seconds from claim to archive (on the line: from INVITE to the end of the call) of the ${ports} x ` +
    `${held.dueSeconds.toFixed(1)} there were while some contact was due and not being called`;
  const atOnce = [
    `${paint('bold', String(most))} calls at most, of ${ports} allowed, as the far end saw them`,
    ...(mostCrossing > most
      ? [paint('dim', `(${mostCrossing} where a BYE and the next INVITE crossed)`)]
      : []),
  ];
  return [
    ...renderItems('time', [`${seconds.toFixed(1)} s`, `${callsPerSecond.toFixed(1)} calls/s`], terminal),
    ...renderItems('ports', used, terminal),
    ...renderItems(
      '',
      how.split(' ').map((word) => paint('dim', word)),
      terminal,
      ' ',
    ),
    ...renderItems('at once', atOnce, terminal),
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function pad(cell: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(cell)));
  return right ? space + cell : cell + space;
}
