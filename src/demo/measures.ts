import { type FarEndCall, maxConcurrent } from '../lab/far-end-log.js';
import type { ShownAttempt, ShownCampaign } from './api-client.js';
import { delaysOf } from './kinds.js';
import { dueSpans, type TimedAttempt, type Utilisation, utilisationOf } from './utilisation.js';

/** How fast it went. */
export interface Measures {
  /** From the campaign's start to the end of its last attempt. */
  seconds: number;
  callsPerSecond: number;
  retries: number;
  /** Ports from claim to archive. */
  held: Utilisation;
  /** Ports from INVITE to the end of the call, as the far end saw it. */
  onLine: Utilisation;
  /** The most calls at once that the far end saw. */
  most: number;
  /** The same, with those counted whose BYE or CANCEL was on its way while the next INVITE overtook it. */
  mostCrossing: number;
}

/** How late a BYE or CANCEL may be: see `maxConcurrent`. */
const SLACK_MS = 250;

/** Computes the measures from the attempts' times and from what the far end saw. */
export function measure(
  campaign: ShownCampaign,
  attempts: readonly ShownAttempt[],
  calls: readonly FarEndCall[],
  ports: number,
): Measures {
  const startedAt = Date.parse(campaign.started_at ?? campaign.created_at);
  const timed = attempts.flatMap(timesOf);
  const endedAt = Math.max(startedAt, ...timed.map((attempt) => attempt.endedAt));
  const seconds = (endedAt - startedAt) / 1000;
  const due = dueSpans(timed, startedAt, delaysOf);
  const held = timed.map((attempt) => ({ from: attempt.claimedAt, to: attempt.endedAt }));
  const onLine = calls.map((call) => ({ from: call.invitedAt, to: call.endedAt ?? endedAt }));
  return {
    seconds,
    callsPerSecond: seconds > 0 ? attempts.length / seconds : 0,
    retries: attempts.filter(({ ordinal }) => ordinal > 1).length,
    held: utilisationOf(held, due, ports),
    onLine: utilisationOf(onLine, due, ports),
    most: maxConcurrent(calls, { slackMs: SLACK_MS }),
    mostCrossing: maxConcurrent(calls),
  };
}

function timesOf({ contact_id, claimed_at, ended_at, disposition }: ShownAttempt): TimedAttempt[] {
  if (ended_at === null || disposition === null) return [];
  const times = { claimedAt: Date.parse(claimed_at), endedAt: Date.parse(ended_at) };
  return [{ contactId: contact_id, disposition, ...times }];
}
