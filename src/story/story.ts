import type { AttemptRecord } from '../db/attempt-record.js';
import type { Terminal } from '../terminal.js';
import { tellSibling, whatComesNext } from './next.js';
import { spansOf } from './spans.js';
import { type Moment, type SeenFile, timelineOf } from './timeline.js';
import { between, plain, wallTime } from './words.js';

/** An attempt as a story for the operator, in lines. `file` is its call file where it is open and of this machine's node. */
export function tellAttempt(
  attempt: AttemptRecord,
  file: SeenFile | null,
  now: Date,
  { paint }: Pick<Terminal, 'paint'>,
): string {
  const { disposition, test } = attempt;
  const title = disposition === null ? 'is open' : `ended as ${disposition}`;
  const others = attempt.attempts.filter(({ id }) => id !== attempt.id);
  return [
    paint('bold', `attempt ${attempt.id} ${title}`),
    '',
    ...about(attempt),
    ...(test
      ? ['', 'a test: nobody was called. Seconds of ringing, talking and hearing are those of a real call.']
      : []),
    '',
    ...timelineOf(attempt, file).map((moment) => tellMoment(moment, attempt.claimed_at)),
    ...(disposition === null ? [`${' '.repeat(39)}${whereItIs(file)}`] : []),
    '',
    ...spansOf(attempt).map(([what, took]) => `${what.padEnd(23)}${took}`),
    '',
    `next: ${plain(whatComesNext(attempt, now))}`,
    ...(others.length > 0
      ? ['', 'other attempts at the contact:', ...others.map((one) => `  ${tellSibling(one)}`)]
      : []),
    '',
  ].join('\n');
}

function about(attempt: AttemptRecord): string[] {
  const { tenant, campaign, contact, trunk, ordinal } = attempt;
  const number = attempt.number.startsWith('erased ') ? 'a person who was erased' : attempt.number;
  return [
    ['tenant', `${tenant.name}  ${attempt.tenant_id}`],
    ['campaign', `${campaign.name}  ${attempt.campaign_id}  ${campaign.status}`],
    [
      'contact',
      `${number}  ${attempt.contact_id}  ${contact.state}, attempt ${ordinal} of ${contact.attempts} so far`,
    ],
    ['trunk', `${trunk?.name ?? '(gone)'}  ${attempt.trunk_id}  on the PBX: ${attempt.pbx_trunk}`],
    ['node', attempt.node],
  ].map(([what, text]) => `${what!.padEnd(10)}${plain(text!)}`);
}

/** The time by the clock, and seconds since the claim, which whole seconds cannot tell. */
function tellMoment({ at, text, wholeSeconds }: Moment, claimedAt: Date): string {
  const since = between(claimedAt, at)!;
  const offset = wholeSeconds ? '' : `${since < 0 ? '' : '+'}${since.toFixed(3)} s`;
  const time = wholeSeconds ? wallTime(at).replace('.000Z', 'Z    ') : wallTime(at);
  return `${time} ${offset.padStart(12)}  ${plain(text)}`;
}

function whereItIs(file: SeenFile | null): string {
  if (!file) return 'its call file is on another machine, where this command tells where it lies';
  const meaning = {
    staging: 'its call file is in staging/: it is not placed yet, or will be released',
    outgoing: file.begunAt
      ? 'its call is in progress'
      : 'its call file is in outgoing/ and waits for Asterisk',
    outgoing_done: 'its call is over, and about to be finished',
    nowhere: 'its call file is nowhere: it is about to end, or will be found lost within seconds',
  };
  return meaning[file.place];
}
