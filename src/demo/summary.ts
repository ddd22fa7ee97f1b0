import type { Disposition } from '../calls/states.js';
import { type FarEndCall, maxConcurrent } from '../lab/far-end-log.js';
import type { ShownAttempt, ShownCampaign } from './api-client.js';
import { delaysOf, expectationOf } from './kinds.js';
import { dispositionItems, renderItems } from './progress.js';
import { type Terminal, widthOf } from './terminal.js';
import { dueSpans, type TimedAttempt, utilisationOf } from './utilisation.js';
import type { KindResult, Verdict } from './verdict.js';

/** All that is known when the campaign is over. */
export interface Results {
  campaign: ShownCampaign;
  attempts: readonly ShownAttempt[];
  calls: readonly FarEndCall[];
  ports: number;
  verdict: Verdict;
}

/** A BYE or CANCEL may be this late on its way while the next INVITE overtakes it. */
export const SLACK_MS = 250;

/** The table that the demo ends with. */
export function renderSummary(results: Results, terminal: Terminal): string {
  const { campaign, verdict } = results;
  const { total, pending, calling, retrying, ...states } = campaign.contacts;
  const open = { pending, calling, retrying };
  const present = Object.entries({ ...states, ...open }).filter(([, n]) => n > 0);
  return [
    '',
    ...renderKinds(verdict.kinds, terminal),
    '',
    ...renderItems(
      'contacts',
      [`${total} in all`, ...present.map(([state, n]) => `${n} ${state}`)],
      terminal,
    ),
    ...renderAttempts(results, terminal),
    ...renderTimes(results, terminal),
    '',
  ].join('\n');
}

function renderKinds(kinds: readonly KindResult[], { paint }: Terminal): string[] {
  const header = ['a far end that', 'must end as', 'attempts', 'contacts', 'matched'];
  const rows = kinds.map(({ kind, contacts, matched }) => {
    const { state, attempts } = expectationOf(kind);
    const good = matched === contacts;
    const mark = paint(good ? 'green' : 'red', String(matched));
    return [kind.title, state, `${attempts} each`, String(contacts), mark];
  });
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => widthOf(row[i]!))));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => pad(cell, widths[i]!, i >= 2)).join('   ')}`.trimEnd();
  return [paint('bold', line(header)), ...rows.map(line)];
}

function renderAttempts({ campaign, attempts }: Results, terminal: Terminal): string[] {
  const byDisposition: Partial<Record<Disposition, number>> = {};
  for (const { disposition } of attempts) {
    if (disposition) byDisposition[disposition] = (byDisposition[disposition] ?? 0) + 1;
  }
  const called = new Set(attempts.map(({ contact_id }) => contact_id)).size;
  return [
    ...renderItems(
      'attempts',
      [`${campaign.attempts} in all`, ...dispositionItems({ byDisposition }, terminal)],
      terminal,
    ),
    ...renderItems('retries', [`${attempts.length - called}`], terminal),
  ];
}

function renderTimes({ campaign, attempts, calls, ports }: Results, terminal: Terminal): string[] {
  const startedAt = Date.parse(campaign.started_at ?? campaign.created_at);
  const timed = attempts.flatMap(timesOf);
  const endedAt = Math.max(startedAt, ...timed.map((attempt) => attempt.endedAt));
  const seconds = (endedAt - startedAt) / 1000;
  const due = dueSpans(timed, startedAt, delaysOf);
  const held = utilisationOf(
    timed.map(({ claimedAt, endedAt: to }) => ({ from: claimedAt, to })),
    due,
    ports,
  );
  const onLine = utilisationOf(
    calls.map(({ invitedAt, endedAt: to }) => ({ from: invitedAt, to: to ?? endedAt })),
    due,
    ports,
  );
  const rate = seconds > 0 ? attempts.length / seconds : 0;
  const most = maxConcurrent(calls, { slackMs: SLACK_MS });
  const crossing = maxConcurrent(calls);
  const { paint } = terminal;
  return [
    ...renderItems('time', [`${seconds.toFixed(1)} s`, `${rate.toFixed(1)} calls/s`], terminal),
    ...renderItems(
      'ports',
      [
        `${paint('bold', percent(held.share))} in use while work was due (${held.dueSeconds.toFixed(1)} s)`,
        `${percent(onLine.share)} on the line`,
      ],
      terminal,
    ),
    ...renderItems(
      '',
      [
        paint('dim', 'port-seconds from claim to archive (on the line: from INVITE'),
        paint('dim', `to the end, by the far end) / ${ports} x the seconds in which a`),
        paint('dim', 'contact was due and not being called'),
      ],
      terminal,
    ),
    ...renderItems(
      'at once',
      [
        `${paint('bold', String(most))} calls at most, as the far end saw them, of ${ports} allowed`,
        ...(crossing > most ? [paint('dim', `(${crossing} where a BYE and the next INVITE crossed)`)] : []),
      ],
      terminal,
    ),
  ];
}

function timesOf(attempt: ShownAttempt): TimedAttempt[] {
  const { contact_id: contactId, claimed_at, ended_at, disposition } = attempt;
  if (ended_at === null || disposition === null) return [];
  return [{ contactId, claimedAt: Date.parse(claimed_at), endedAt: Date.parse(ended_at), disposition }];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function pad(cell: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(cell)));
  return right ? space + cell : cell + space;
}
