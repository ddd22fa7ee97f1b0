import { logNamesOf } from '../calls/call-id.js';
import type { FinishedAttempt } from '../db/finish.js';
import type { Logger } from '../log.js';
import type { ClaimedCall } from '../scheduler/claim.js';
import { fileNameOf } from '../spool/name.js';
import type { OpenCall } from './open-calls.js';

// The steps of a call's life that the node takes, each as one line with the attempt's id: docs/logs.md has all of them. No
// number, and nothing of a tenant's own words.

/** Calls whose claim is committed. */
export function tellClaimed(calls: readonly ClaimedCall[], log: Logger): void {
  if (!log.isLevelEnabled('debug')) return;
  for (const { callId, campaignId, contactId, trunkId, pbxTrunk, ordinal } of calls) {
    const about = { ...logNamesOf(callId), campaign: campaignId, contact: contactId, trunk: trunkId };
    log.debug({ ...about, pbx_trunk: pbxTrunk, ordinal }, 'call claimed');
  }
}

/** Notes when calls were placed, all but those that failed, and tells it. */
export function tellPlaced(
  calls: readonly OpenCall[],
  failed: readonly { name: string }[],
  log: Logger,
): void {
  const now = new Date();
  const names = new Set(failed.map(({ name }) => name));
  for (const call of calls) {
    if (names.size > 0 && names.has(fileNameOf(call.callId))) continue;
    call.placedAt = now;
    log.info({ ...aboutOpen(call), ordinal: call.ordinal }, 'call placed');
  }
}

/** Calls that were open before this process began. */
export function tellTakenOver(calls: Iterable<OpenCall>, log: Logger): void {
  for (const call of calls) log.info(aboutOpen(call), 'call taken over from before the start');
}

/** Calls whose claims were undone: nobody was called. */
export function tellReleased(callIds: readonly string[], reason: string, log: Logger): void {
  for (const callId of callIds) log.info({ ...logNamesOf(callId), reason }, 'call released');
}

/** Attempts that have just ended. `begunAt` tells when Asterisk began them, where that is known. */
export function tellEnded(
  attempts: readonly FinishedAttempt[],
  begunAt: (callId: string) => Date | null,
  log: Logger,
): void {
  for (const attempt of attempts) {
    const about = { ...logNamesOf(attempt.callId), campaign: attempt.campaignId, contact: attempt.contactId };
    const how = {
      disposition: attempt.disposition,
      sip_status: attempt.sipStatus,
      cause: attempt.hangupCause,
    };
    const next = { contact_state: attempt.contactState, retry_in_seconds: attempt.retryInSeconds };
    const begun = { begun_at: begunAt(attempt.callId) };
    log.info({ ...about, trunk: attempt.trunkId, ...begun, ...how, ...next }, 'call ended');
  }
}

function aboutOpen({ callId, campaignId, contactId }: OpenCall) {
  return { ...logNamesOf(callId), campaign: campaignId, contact: contactId };
}
