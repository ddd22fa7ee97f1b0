import { parseReport } from '../../calls/report.js';
import type { CallNotes } from '../notes.js';
import type { AgiScript } from '../server.js';
import type { Admission } from './admission.js';

/**
 * FastAGI `/hangup`: the report of the hangup handler. CAMPANILE_HEARD tells the dialplan that it is committed;
 * without it the dialplan leaves the report in a file, so a report survives our end at any moment.
 */
export function hangupScript(options: { admission: Admission; notes: CallNotes }): AgiScript {
  const { admission, notes } = options;
  return async (session) => {
    const callId = admission.callOf(session);
    if (!callId) return;
    const known = await notes.write({
      callId,
      hangup: parseReport((session.request.args[2] ?? '').split('|')),
    });
    if (!known) admission.refuse(session, 'the call is not open on this node');
    await session.setVariable('CAMPANILE_HEARD', '1');
  };
}
