import type { Ending } from '../../src/db/finish.js';
import type { ClaimedCall } from '../../src/scheduler/claim.js';

/** How a call ends for which the far end gave a final SIP status; 200 is an answer, 0 that nothing ever came. */
export function endedWith({ callId }: Pick<ClaimedCall, 'callId'>, sipStatus: number): Ending {
  const report = {
    hangupCause: 0,
    sipStatus,
    dialStatus: null,
    hungUpBy: 'pbx',
    ringSeconds: 1,
    talkSeconds: 0,
  };
  const archiveStatus = sipStatus === 200 ? ('Completed' as const) : ('Expired' as const);
  return { callId, archiveStatus, report: { ...report, hungUpBy: 'pbx' as const } };
}
