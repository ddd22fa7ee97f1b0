import { logNamesOf } from '../../calls/call-id.js';
import { hangupNames, parseReport } from '../../calls/report.js';
import type { Logger } from '../../log.js';
import type { CallNotes } from '../notes.js';
import type { AgiScript } from '../server.js';
import type { Admission } from './admission.js';

/**
 * FastAGI `/hangup`: the report of the hangup handler. CAMPANILE_HEARD tells the dialplan that it is committed;
 * without it the dialplan leaves the report in a file, so a report survives our end at any moment.
 */
export function hangupScript(options: { admission: Admission; notes: CallNotes; log: Logger }): AgiScript {
  const { admission, notes, log } = options;
  return async (session) => {
    const callId = admission.callOf(session);
    if (!callId) return;
    const hangup = parseReport((session.request.args[2] ?? '').split('|'));
    const known = await notes.write({ callId, hangup });
    if (known)
      log.debug({ ...logNamesOf(callId), told_by: 'fastagi', ...hangupNames(hangup) }, 'hangup reported');
    else admission.refuse(session, 'the call is not open on this node');
    await session.setVariable('CAMPANILE_HEARD', '1');
  };
}
