import type { CallNotes } from '../agi/notes.js';
import type { Admission } from '../agi/scripts/admission.js';
import { answeredScript } from '../agi/scripts/answered.js';
import { hangupScript } from '../agi/scripts/hangup.js';
import { inboundScript } from '../agi/scripts/inbound.js';
import { transferredScript } from '../agi/scripts/transferred.js';
import { type AgiObserver, type AgiServer, createAgiServer } from '../agi/server.js';
import { logNamesOf } from '../calls/call-id.js';
import { answeredCall } from './answered-call.js';
import { createInbound, type InboundOptions } from './inbound.js';
import type { OpenCalls } from './open-calls.js';

export interface CallServerOptions extends InboundOptions {
  listen: { host: string; port: number };
  /** How many times as fast as our clock the PBX's runs. */
  speed: number;
  admission: Admission;
  notes: CallNotes;
  openCalls: Pick<OpenCalls, 'find' | 'answered'>;
  observe: AgiObserver;
}

/** The FastAGI server of a node: a script for each path that the dialplan calls. */
export function createCallServer(options: CallServerOptions): AgiServer {
  const { admission, notes, openCalls, transfers, speed, observe, log } = options;
  const callOf = async (callId: string) => {
    openCalls.answered(callId);
    const call = await openCalls.find(callId);
    if (!call) return null;
    const callLog = log.child({ ...logNamesOf(callId), campaign: call.campaignId });
    return answeredCall(call, { ...options, log: callLog });
  };
  return createAgiServer({
    ...options.listen,
    log,
    observe,
    scripts: {
      answered: answeredScript({ admission, notes, callOf, speed, log }),
      hangup: hangupScript({ admission, notes, log }),
      inbound: inboundScript({ admission, callOf: createInbound(options) }),
      transferred: transferredScript({ admission, ended: transfers.ended }),
    },
  });
}
