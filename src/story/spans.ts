import type { AttemptRecord } from '../db/attempt-record.js';
import { dueAt } from './timeline.js';
import { between, span } from './words.js';

/** How long each part of an attempt took, as far as that is known: what, and how long. */
export function spansOf(attempt: AttemptRecord): [what: string, took: string][] {
  const { claimed_at, placed_at, begun_at, answered_at, hangup_at, ended_at, talk_seconds, heard_seconds } =
    attempt;
  const spans: [string, number | null][] = [
    ['waited for its turn', between(dueAt(attempt), claimed_at)],
    ['claim to call file', between(claimed_at, placed_at)],
    ['call file to Asterisk', wholeSeconds(between(placed_at, begun_at))],
    ['rang', attempt.ring_seconds],
    ['talked', answered_at ? talk_seconds : null],
    ['heard of what is said', answered_at ? heard_seconds : null],
    ['hangup to port free', between(hangup_at, ended_at)],
    ['held its port', between(claimed_at, ended_at)],
  ];
  return spans.flatMap(([what, seconds]): [string, string][] =>
    seconds === null
      ? []
      : [
          [
            what,
            seconds < 1 && what === 'call file to Asterisk' ? 'less than 1 s' : span(Math.max(0, seconds)),
          ],
        ],
  );
}

const wholeSeconds = (seconds: number | null) => (seconds === null ? null : Math.max(0, Math.floor(seconds)));
