import { describe, expect, it } from 'vitest';
import { type Action, type Finding, recover } from '../../src/spool/reconcile.js';

const now = new Date('2026-03-01T12:00:00Z');
const started = secondsBefore(3600);
const inCall = secondsBefore(60);
const before = secondsBefore(7200);

function secondsBefore(seconds: number): Date {
  return new Date(now.getTime() - seconds * 1000);
}

const CALM: Finding = {
  attempt: 'open',
  file: 'staging',
  since: secondsBefore(60),
  begunAt: null,
  sameRun: null,
  asteriskStartedAt: started,
  sawAnswer: false,
  hangupAt: null,
  now,
  graceSeconds: 10,
  announceSeconds: 10,
};
const young = secondsBefore(9);

describe('what becomes of a call when a clock was set', () => {
  const outgoing = { file: 'outgoing', begunAt: inCall } as const;
  const ahead = secondsBefore(-3600);
  const rows: [string, Partial<Finding>, Action][] = [
    [
      'begun in this run, at a time before its start',
      { ...outgoing, begunAt: before, sameRun: true },
      'leave',
    ],
    [
      'begun in the run before, at a time after the start',
      { ...outgoing, begunAt: ahead, sameRun: false },
      'lost',
    ],
    ['the same while Asterisk is down', { ...outgoing, sameRun: false, asteriskStartedAt: null }, 'leave'],
    ['waits since a time that is yet to come', { file: 'outgoing', since: ahead }, 'announce'],
    ['archived at a time that is yet to come', { file: 'outgoing_done', since: ahead }, 'finish'],
    ['staged by nobody at such a time', { attempt: 'none', since: ahead }, 'remove'],
  ];
  it.each(rows)('%s', (_, finding, action) => {
    expect(recover({ ...CALM, ...finding })).toBe(action);
  });
});

describe('what becomes of a call', () => {
  const rows: [string, Partial<Finding>, Action][] = [
    ['open, staged: never placed', { file: 'staging' }, 'release'],
    ['open, staged just now (and not in flight): the same', { file: 'staging', since: now }, 'release'],
    ['open, staged, begun: put back', { file: 'staging', begunAt: inCall }, 'restore'],
    ['open, staged, begun before the start of Asterisk', { file: 'staging', begunAt: before }, 'lost'],
    ['open, placed just now', { file: 'outgoing', since: young }, 'leave'],
    ['open, placed, and Asterisk missed it', { file: 'outgoing' }, 'announce'],
    ['the same, but Asterisk has a channel of it', { file: 'outgoing', isUp: true }, 'leave'],
    ['the same, but somebody has answered', { file: 'outgoing', sawAnswer: true }, 'leave'],
    [
      'the same, and Asterisk has no channel of it',
      { file: 'outgoing', sawAnswer: true, isUp: false },
      'conclude',
    ],
    ['the same, and it was hung up', { file: 'outgoing', hangupAt: young }, 'conclude'],
    ['open, placed, and the spool cannot be written', { file: 'outgoing', inDoubt: true }, 'leave'],
    [
      'the same, and it could not long enough',
      { file: 'outgoing', inDoubt: true, mayHaveBegun: true },
      'lost',
    ],
    [
      'the same while Asterisk has a channel of it',
      { file: 'outgoing', inDoubt: true, mayHaveBegun: true, isUp: true },
      'leave',
    ],
    ['the same while Asterisk is down', { file: 'outgoing', asteriskStartedAt: null }, 'leave'],
    ['the same while Asterisk is starting', { file: 'outgoing', asteriskStartedAt: young }, 'leave'],
    ['open, call in progress', { file: 'outgoing', begunAt: inCall }, 'leave'],
    ['open, call that Asterisk died in', { file: 'outgoing', begunAt: before }, 'lost'],
    [
      'the same, and somebody had answered',
      { file: 'outgoing', begunAt: before, sawAnswer: true },
      'conclude',
    ],
    [
      'the same, and it had been hung up',
      { file: 'outgoing', begunAt: before, hangupAt: before },
      'conclude',
    ],
    ['open, hung up just now', { file: 'outgoing', begunAt: inCall, hangupAt: secondsBefore(59) }, 'leave'],
    [
      'open, hung up, never archived',
      { file: 'outgoing', begunAt: inCall, hangupAt: secondsBefore(60) },
      'conclude',
    ],
    ['open, hung up, nowhere', { file: 'nowhere', hangupAt: young }, 'conclude'],
    [
      'ended, hung up, never archived',
      { attempt: 'ended', file: 'outgoing', begunAt: inCall, hangupAt: before },
      'leave',
    ],
    [
      'the same while Asterisk is down',
      { file: 'outgoing', begunAt: before, asteriskStartedAt: null },
      'leave',
    ],
    ['open, over', { file: 'outgoing_done' }, 'finish'],
    ['open, over just now: the watcher is at it', { file: 'outgoing_done', since: young }, 'leave'],
    ['open, nowhere', { file: 'nowhere' }, 'lost'],
    ['open, nowhere, and somebody had answered', { file: 'nowhere', sawAnswer: true }, 'conclude'],
    ['open, missed just now', { file: 'nowhere', since: young }, 'leave'],
    ['ended, staged', { attempt: 'ended', file: 'staging' }, 'remove'],
    ['ended, waiting for Asterisk: must not be dialled', { attempt: 'ended', file: 'outgoing' }, 'withdraw'],
    ['ended, call in progress', { attempt: 'ended', file: 'outgoing', begunAt: inCall }, 'leave'],
    ['ended, call that Asterisk died in', { attempt: 'ended', file: 'outgoing', begunAt: before }, 'remove'],
    ['ended, archived', { attempt: 'ended', file: 'outgoing_done' }, 'remove'],
    ['ended, archived just now', { attempt: 'ended', file: 'outgoing_done', since: young }, 'leave'],
    ['ended, nowhere', { attempt: 'ended', file: 'nowhere' }, 'leave'],
    ['none, staged: the claim never committed', { attempt: 'none', file: 'staging' }, 'remove'],
    ['none, staged just now', { attempt: 'none', file: 'staging', since: young }, 'leave'],
    ['none, waiting for Asterisk', { attempt: 'none', file: 'outgoing' }, 'quarantine'],
    ['none, call in progress', { attempt: 'none', file: 'outgoing', begunAt: inCall }, 'leave'],
    [
      'none, call that Asterisk died in',
      { attempt: 'none', file: 'outgoing', begunAt: before },
      'quarantine',
    ],
    ['none, archived', { attempt: 'none', file: 'outgoing_done' }, 'quarantine'],
    ['none, archived just now', { attempt: 'none', file: 'outgoing_done', since: young }, 'leave'],
  ];
  it.each(rows)('%s', (_what, finding, action) => {
    expect(recover({ ...CALM, ...finding })).toBe(action);
  });

  it('a call of the second in which Asterisk started is the one before it: no call begins so early', () => {
    const start = new Date('2026-03-01T11:00:00.400Z');
    const of = (begunAt: string) =>
      recover({ ...CALM, file: 'outgoing', asteriskStartedAt: start, begunAt: new Date(begunAt) });
    expect(of('2026-03-01T11:00:00Z')).toBe('lost');
    expect(of('2026-03-01T11:00:01Z')).toBe('leave');
  });
});
