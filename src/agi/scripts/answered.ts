import { runFlow } from '../../calls/flow/run.js';
import type { Flow } from '../../calls/flow/schema.js';
import type { Values } from '../../calls/flow/text.js';
import type { Deeds } from '../../calls/flow/way.js';
import type { MachineDetection } from '../../calls/machine.js';
import type { Logger } from '../../log.js';
import { beforeHangup } from '../flow/before-hangup.js';
import { createJournal } from '../flow/journal.js';
import { createPhone, type PhoneOptions } from '../flow/phone.js';
import { createFindWho } from '../flow/who.js';
import type { CallNotes } from '../notes.js';
import type { AgiScript } from '../server.js';
import type { Admission } from './admission.js';

/** What an answered call needs, all of it at hand. */
export interface AnsweredCall extends PhoneOptions {
  /** Of this call. */
  log: Logger;
  flow: Flow;
  /** How machines are told from persons; null: they are not. */
  machine: MachineDetection | null;
  /** The contact's. */
  fields: Values;
  /** Where the callee is, IANA. */
  timeZone: string;
  /** What a flow may ask for as `{call.number}`, for example. */
  about: Record<string, string>;
  deeds: Pick<Deeds, 'optOut' | 'ask'>;
}

export interface AnsweredOptions {
  admission: Admission;
  notes: CallNotes;
  /** A call that is open on this node; null when there is no such call. */
  callOf(callId: string): Promise<AnsweredCall | null>;
  /** How many times as fast as our clock the PBX's runs, where that is a sandbox; 1 unless said otherwise. */
  speed?: number;
  log: Logger;
}

/**
 * FastAGI `/answered`: walks the campaign's flow with somebody who has just answered. What was heard and pressed is
 * committed before the session ends, and so before the call does, unless the callee ends it.
 */
export function answeredScript(options: AnsweredOptions): AgiScript {
  const { admission, notes, callOf, speed, log } = options;
  const findWho = createFindWho(log, speed);
  return async (session) => {
    const answeredAt = new Date();
    const callId = admission.callOf(session);
    if (!callId) return;
    const call = await callOf(callId);
    if (!call) return admission.refuse(session, 'the call is not open on this node');
    // Whoever answered waits for the message and not for Postgres: the answer is written down while it plays.
    const noted = notes.write({ callId, answeredAt }).catch((error) => {
      call.log.error({ err: error }, 'cannot write down an answer');
    });
    call.log.info('call answered');
    const journal = createJournal(callId, notes, call.log);
    let failed = false;
    try {
      const { machine } = call;
      const who = machine && (await findWho(session, { ...call, machine }, journal));
      const flow = who ? who.flow : call.flow;
      if (!flow) return;
      const about = who ? { ...call.about, machine: who.status } : call.about;
      const place = { language: flow.language, timeZone: call.timeZone };
      const phone = createPhone(session, call, place, speed);
      await runFlow(flow, { fields: call.fields, call: about, timeZone: call.timeZone }, phone, {
        optOut: call.deeds.optOut,
        ask: (...question) => beforeHangup(session, call.deeds.ask(...question)),
        happened: journal.happened,
      });
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      await Promise.all([noted, journal.end(failed)]);
    }
  };
}
