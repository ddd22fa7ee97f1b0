import type { Disposition } from './states.js';

/** What Asterisk's `Status:` line says of an archived call file; null when the line never came. */
export type ArchiveStatus = 'Completed' | 'Expired' | 'Failed';

/** All that was heard of an attempt that is over. Everything but the archive is null when nobody told. */
export interface CallOutcome {
  /** The last SIP status of the far end, e.g. 486; 0 when nothing ever came; null where the channel is not SIP. */
  sipStatus: number | null;
  /** Q.850 cause as Asterisk's HANGUPCAUSE gives it. 0 means Asterisk knew none. */
  hangupCause: number | null;
  /** DIALSTATUS of the admin's own `Dial()`, on routed calls. */
  dialStatus: string | null;
  archiveStatus: ArchiveStatus | null;
  /** FastAGI `/answered` was called for the attempt. */
  sawAnswer: boolean;
  /** A machine answered. */
  sawMachine: boolean;
  /** The hangup handler reported a real channel: the call reached the trunk. */
  sawChannel: boolean;
}

// RFC 3261 section 21, RFC 5630, RFC 8197, RFC 8688; grouped by what it means to somebody who dials.
const BY_SIP_STATUS: Record<number, Disposition> = {
  401: 'unreachable',
  403: 'rejected',
  404: 'invalid_number',
  407: 'unreachable',
  408: 'no_answer',
  410: 'invalid_number',
  414: 'invalid_number',
  416: 'invalid_number',
  433: 'rejected',
  480: 'no_answer',
  484: 'invalid_number',
  485: 'invalid_number',
  486: 'busy',
  487: 'no_answer',
  500: 'congestion',
  502: 'congestion',
  503: 'congestion',
  504: 'congestion',
  580: 'congestion',
  600: 'busy',
  603: 'rejected',
  604: 'invalid_number',
  607: 'rejected',
  608: 'rejected',
};

// ITU-T Q.850; class "resource unavailable" (34 to 47) is congestion.
const BY_CAUSE: Record<number, Disposition> = {
  1: 'invalid_number',
  2: 'invalid_number',
  3: 'unreachable',
  16: 'no_answer',
  17: 'busy',
  18: 'no_answer',
  19: 'no_answer',
  20: 'no_answer',
  21: 'rejected',
  22: 'invalid_number',
  27: 'unreachable',
  28: 'invalid_number',
  34: 'congestion',
  38: 'congestion',
  41: 'congestion',
  42: 'congestion',
  43: 'congestion',
  44: 'congestion',
  46: 'congestion',
  47: 'congestion',
};

const BY_DIAL_STATUS: Record<string, Disposition> = {
  ANSWER: 'answered',
  BUSY: 'busy',
  NOANSWER: 'no_answer',
  CANCEL: 'no_answer',
  CONGESTION: 'congestion',
  CHANUNAVAIL: 'unreachable',
};

/**
 * What an attempt ended as. The first line that applies decides:
 *
 * | what was heard | disposition |
 * |---|---|
 * | FastAGI saw the answer, archive `Completed`, or DIALSTATUS `ANSWER` | answered; machine where AMD decided so |
 * | archive `Failed`: Asterisk could not read the file | failed |
 * | no channel, file archived: the trunk is not on the PBX | unreachable |
 * | SIP 486, 600 | busy |
 * | SIP 404, 410, 414, 416, 484, 485, 604 | invalid_number |
 * | SIP 403, 433, 603, 607, 608 | rejected |
 * | SIP 408, 480, 487; 1xx: it rang until WaitTime ran out | no_answer |
 * | SIP 401, 407: the trunk's credentials were not taken | unreachable |
 * | SIP 500, 502, 503, 504, 580 | congestion |
 * | SIP 0: not one response came from the trunk | unreachable |
 * | SIP 3xx: a redirect to where the PBX has no way; it may hang up before it has written the 3xx down (SIP 0) | unreachable |
 * | any other final SIP status | by Q.850 cause, else failed |
 * | no SIP answer: Q.850 1 2 22 28 / 17 / 16 18 19 20 / 21 / 34 to 47 / 3 27 | invalid_number / busy / no_answer / rejected / congestion / unreachable |
 * | neither, where cause 16 of the `Hangup()` after a `Dial()` is none: DIALSTATUS | as it says; CHANUNAVAIL is unreachable |
 * | none of these | failed |
 */
export function dispositionOf(outcome: CallOutcome): Disposition {
  const { sipStatus, hangupCause, dialStatus, archiveStatus } = outcome;
  if (outcome.sawAnswer || archiveStatus === 'Completed' || dialStatus === 'ANSWER')
    return outcome.sawMachine ? 'machine' : 'answered';
  if (archiveStatus === 'Failed') return 'failed';
  if (!outcome.sawChannel) return archiveStatus === 'Expired' ? 'unreachable' : 'failed';
  const byCause = hangupCause === null ? undefined : BY_CAUSE[hangupCause];
  if (sipStatus !== null) {
    if (sipStatus === 0 || (sipStatus >= 300 && sipStatus < 400)) return 'unreachable';
    if (sipStatus < 200) return 'no_answer';
    return BY_SIP_STATUS[sipStatus] ?? byCause ?? 'failed';
  }
  // After a Dial() that failed, cause 16 is that of the Hangup() behind it.
  if (byCause && !(hangupCause === 16 && dialStatus !== null)) return byCause;
  if (dialStatus !== null) return BY_DIAL_STATUS[dialStatus] ?? 'failed';
  return 'failed';
}
