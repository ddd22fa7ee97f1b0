import type { Answers, Happened } from '../../calls/flow/happened.js';
import { runFlow } from '../../calls/flow/run.js';
import type { InboundEnd } from '../../db/inbound-calls.js';
import { HangupError } from '../errors.js';
import { beforeHangup } from '../flow/before-hangup.js';
import { createPhone } from '../flow/phone.js';
import type { AgiScript } from '../server.js';
import { INBOUND } from '../token.js';
import type { Admission } from './admission.js';
import type { AnsweredCall } from './answered.js';

/** A call back, and where what comes of it is written down. */
export interface InboundCall extends AnsweredCall {
  /** Whether who has heard all of it is handed to the admin's dialplan. */
  passesOn: boolean;
  /** Resolves when it is committed. */
  end(end: InboundEnd): Promise<void>;
}

export interface InboundOptions {
  admission: Admission;
  /** What is said to `caller`, who called `called`, each as the PBX has it; null when no call of ours is called back. */
  callOf(caller: string, called: string): Promise<InboundCall | null>;
}

/**
 * FastAGI `/inbound`: somebody calls back. Unless it sets CAMPANILE_INBOUND_DONE to `over`, the dialplan passes the call on. The call
 * is answered when all that is to be said is at hand; what came of it is committed before the call ends, unless the caller ends it.
 */
export function inboundScript({ admission, callOf }: InboundOptions): AgiScript {
  return async (session) => {
    const of = admission.callOf(session);
    if (of === null) return;
    if (of !== INBOUND)
      return admission.refuse(session, 'the token is that of a call, not the one for inbound calls');
    const { agi_callerid: caller = '', agi_extension: called = '' } = session.request.variables;
    const call = await callOf(caller, called);
    if (!call) return;
    const began = performance.now();
    const steps: Happened[] = [];
    let answers: Answers = {};
    let optedOut = false;
    let hungUp = false;
    let passedOn = false;
    try {
      await session.exec('Answer');
      const { flow, fields, timeZone, about } = call;
      const phone = createPhone(session, call, { language: flow.language, timeZone });
      await runFlow(flow, { fields, call: about, timeZone }, phone, {
        ask: (...question) => beforeHangup(session, call.deeds.ask(...question)),
        async optOut() {
          await call.deeds.optOut();
          optedOut = true;
        },
        happened(entry, all) {
          steps.push(entry);
          answers = { ...all };
        },
      });
      hungUp = session.hungUp;
      passedOn = call.passesOn && !optedOut && !hungUp;
    } catch (error) {
      if (!(error instanceof HangupError)) throw error;
      hungUp = true;
    } finally {
      const seconds = (performance.now() - began) / 1000;
      await call.end({ seconds, steps, answers, optedOut, passedOn });
    }
    if (!passedOn && !hungUp) await session.setVariable('CAMPANILE_INBOUND_DONE', 'over');
  };
}
