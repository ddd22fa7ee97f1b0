import type { RetryRules } from '../src/calls/retry.js';
import type { FarEndCall } from '../src/lab/far-end-log.js';
import type { Injected } from './fault.js';
import type { Stop } from './load.js';
import { dispositionsWrong } from './rules/dispositions.js';
import { countersWrong, notEnded } from './rules/ends.js';
import { calledTooOften, calledTwice, invitesWithoutAttempt } from './rules/invites.js';
import { dialledAfterStop } from './rules/stops.js';

/** An attempt as the database has it. */
export interface AttemptRow {
  /** `<tenant id>.<attempt id>`: the mark of its INVITE. */
  call: string;
  campaign_id: string;
  contact_id: string;
  number: string;
  ordinal: number;
  state: string;
  disposition: string | null;
  /** Answered, and nothing was heard. */
  silent: boolean;
  claimed_at: Date;
  ended_at: Date | null;
}

export interface ContactRow {
  id: string;
  campaign_id: string;
  number: string;
  state: string;
  attempts: number;
}

/** A campaign with its counters: how many contacts are in each state. */
export type CampaignRow = {
  id: string;
  name: string;
  status: string;
  retry: RetryRules;
  max_attempts: number;
  attempts: number;
} & Partial<Record<string, unknown>>;

/** All that a run left behind: what the far end saw, and what the database says. */
export interface Evidence {
  calls: readonly FarEndCall[];
  attempts: readonly AttemptRow[];
  contacts: readonly ContactRow[];
  campaigns: readonly CampaignRow[];
  stops: readonly Stop[];
  faults: readonly Injected[];
}

/** A rule that does not hold, and where. */
export interface Violation {
  rule: string;
  what: string;
}

/** Holds what the far end saw against the database, by every rule. */
export function verify(evidence: Evidence): Violation[] {
  return [
    ...invitesWithoutAttempt(evidence),
    ...calledTwice(evidence),
    ...calledTooOften(evidence),
    ...notEnded(evidence),
    ...countersWrong(evidence),
    ...dialledAfterStop(evidence),
    ...dispositionsWrong(evidence),
  ];
}
