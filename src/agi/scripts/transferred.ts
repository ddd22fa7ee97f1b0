import type { CallId } from '../../calls/call-id.js';
import { parseTransfer, type TransferTold } from '../../calls/flow/transfer.js';
import type { AgiScript } from '../server.js';
import type { Admission } from './admission.js';

/**
 * FastAGI `/transferred`: a call ended while it was transferred, and this is how the transfer had gone. CAMPANILE_HEARD tells the
 * dialplan that it is committed; without it the dialplan leaves it in the file of reports.
 */
export function transferredScript(options: {
  admission: Admission;
  /** Writes it down; it may have been written down before. */
  ended(callId: CallId, told: TransferTold): Promise<unknown>;
}): AgiScript {
  const { admission, ended } = options;
  return async (session) => {
    const callId = admission.callOf(session);
    if (!callId) return;
    const told = parseTransfer((session.request.args[2] ?? '').split('|'));
    if (!told) return admission.refuse(session, 'it names no transfer');
    await ended(callId, told);
    await session.setVariable('CAMPANILE_HEARD', '1');
  };
}
