import { causeOf } from '../calls/cause.js';
import { FINAL_RESPONSES } from '../calls/sip-responses.js';
import type { AttemptRecord } from '../db/attempt-record.js';
import { span } from './words.js';

/** Why an attempt ended as it did, as a sentence without its end: what src/calls/disposition.ts decided by. */
export function whyEnded(attempt: AttemptRecord): string {
  const { disposition, archive_status, hangup_at, answered_at, begun_at } = attempt;
  switch (disposition) {
    case 'answered':
      return answered_at
        ? 'somebody answered'
        : `Asterisk says that it was answered (${archive_status ?? attempt.dial_status}), but FastAGI was not asked what to say`;
    case 'machine':
      return 'a machine answered';
    case 'cancelled':
      return 'its campaign was cancelled before Asterisk began the call';
    case 'lost':
      return begun_at
        ? 'Asterisk began the call and never told how it ended: it died, or somebody took the call file away'
        : 'its call file was gone before anybody knew what came of the call';
    default:
      if (archive_status === 'Failed') return 'Asterisk could not read its call file';
      if (hangup_at === null && archive_status === 'Expired')
        return `Asterisk had no channel for it: it knows no PBX trunk "${attempt.pbx_trunk}", or cannot reach it`;
      return causeOf(attempt) ?? whatTheFarEndSaid(attempt);
  }
}

// ITU-T Q.850, those that are met.
const Q850: Readonly<Record<number, string>> = {
  1: 'unallocated number',
  3: 'no route to destination',
  16: 'normal clearing',
  17: 'user busy',
  18: 'no user responding',
  19: 'no answer from user',
  20: 'subscriber absent',
  21: 'call rejected',
  22: 'number changed',
  26: 'answered elsewhere',
  27: 'destination out of order',
  28: 'invalid number format',
  31: 'normal, unspecified',
  34: 'no circuit available',
  38: 'network out of order',
  41: 'temporary failure',
  42: 'switching equipment congestion',
  44: 'requested circuit not available',
  47: 'resource unavailable',
  58: 'bearer capability not available',
  127: 'interworking',
};

function whatTheFarEndSaid({ sip_status, hangup_cause, dial_status, ring_seconds }: AttemptRecord): string {
  if (sip_status !== null && sip_status >= 100 && sip_status < 200)
    return `nobody answered within the ${span(ring_seconds ?? 0)} that it rang`;
  if (sip_status) return `the far end said ${sipName(sip_status)}`;
  if (dial_status) return `the dialplan of the PBX said DIALSTATUS ${dial_status}`;
  if (hangup_cause) return `the far end said ${causeName(hangup_cause)}`;
  return 'nobody told why';
}

const NOT_REFUSED: Readonly<Record<number, string>> = { 180: 'Ringing', 183: 'Session Progress', 200: 'OK' };

/** `SIP 486 Busy Here`. */
export function sipName(status: number): string {
  return `SIP ${status} ${NOT_REFUSED[status] ?? FINAL_RESPONSES[status] ?? ''}`.trim();
}

/** `cause 17 (user busy)`. */
export function causeName(cause: number): string {
  return Q850[cause] === undefined ? `cause ${cause}` : `cause ${cause} (${Q850[cause]})`;
}

/** What the hangup handler reported, for the line of the hangup. */
export function hangupReport(attempt: AttemptRecord): string {
  const { hung_up_by, sip_status, hangup_cause, dial_status } = attempt;
  const by = { callee: 'by the callee', campanile: 'by Campanile', pbx: 'by the PBX' };
  const parts = [
    sip_status === null ? null : sip_status === 0 ? 'no SIP response' : sipName(sip_status),
    hangup_cause === null ? null : causeName(hangup_cause),
    dial_status === null ? null : `DIALSTATUS ${dial_status}`,
  ].filter((part) => part !== null);
  return `hung up ${hung_up_by ? by[hung_up_by] : ''}${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`.trim();
}
