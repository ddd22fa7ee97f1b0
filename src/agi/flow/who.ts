import { leaveMessage } from '../../calls/flow/of-message.js';
import type { Flow } from '../../calls/flow/schema.js';
import type { MachineDetection, MachineStatus } from '../../calls/machine.js';
import type { Logger } from '../../log.js';
import { awaitBeep, detectMachine, noVerdict } from '../machine.js';
import { onceAMinute } from '../once-a-minute.js';
import type { AgiSession } from '../session.js';
import type { Journal } from './journal.js';

/** Who answered, and the flow that is for him; null: the call is to end. */
export interface Who {
  status: MachineStatus;
  flow: Flow | null;
}

/** Finds out who answered a call and gets ready to speak to him. */
export type FindWho = (
  session: AgiSession,
  call: { flow: Flow; machine: MachineDetection },
  journal: Journal,
) => Promise<Who>;

/**
 * Logs once a minute where the PBX cannot tell machines from persons: everybody is taken for a person then. The PBX's clock runs
 * `speed` times as fast as ours.
 */
export function createFindWho(log: Logger, speed = 1): FindWho {
  const limited = onceAMinute(log);
  return async (session, { flow, machine }, journal) => {
    const verdict = await detectMachine(session, machine, speed).catch((error) => {
      limited('error', 'amd', { err: error }, 'cannot tell machines from persons: Asterisk has no app_amd');
      return noVerdict(error);
    });
    journal.machine(verdict);
    const { status, action } = verdict;
    if (status === 'hung_up' || action === 'hang_up') return { status, flow: null };
    if (action !== 'leave_message') return { status, flow };
    const beep = await awaitBeep(session, machine, speed);
    if (!beep) return { status, flow: null };
    journal.machine(beep);
    return { status, flow: leaveMessage(machine.message_id!, flow) };
  };
}
