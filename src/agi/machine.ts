import { amdArguments, type MachineDetection, type MachineVerdict, readVerdict } from '../calls/machine.js';
import { AgiCommandError, HangupError } from './errors.js';
import type { AgiSession } from './session.js';

/**
 * Listens who has answered, which takes a person two to five seconds of silence. When the call ends meanwhile, the verdict is
 * `hung_up`. The PBX's clock runs `speed` times as fast as ours. @throws AgiCommandError when this PBX has no AMD()
 */
export async function detectMachine(
  session: AgiSession,
  settings: MachineDetection,
  speed: number,
): Promise<MachineVerdict> {
  const after = stopwatch(speed);
  try {
    await session.exec('AMD', amdArguments(settings));
    const afterMs = after();
    const [status, cause] = await Promise.all([
      session.getVariable('AMDSTATUS'),
      session.getVariable('AMDCAUSE'),
    ]);
    return readVerdict(status, cause, afterMs, settings.action);
  } catch (error) {
    if (!(error instanceof HangupError)) throw error;
    return readVerdict('HANGUP', null, after(), settings.action);
  }
}

/** The verdict when this PBX cannot tell: whoever answered is taken for a person. */
export function noVerdict(error: unknown): MachineVerdict {
  if (!(error instanceof AgiCommandError)) throw error;
  return readVerdict(null, 'UNAVAILABLE', 0, 'continue');
}

/**
 * Waits until the greeting of a machine and its beep are over: until it has been silent for `beep_silence`, or `beep_limit` is up.
 * Null when the call ends meanwhile.
 */
export async function awaitBeep(
  session: AgiSession,
  { beep_silence, beep_limit }: Pick<MachineDetection, 'beep_silence' | 'beep_limit'>,
  speed: number,
): Promise<Pick<MachineVerdict, 'beep' | 'beep_after_ms'> | null> {
  const after = stopwatch(speed);
  try {
    // Its limit is in whole seconds.
    await session.exec('WaitForSilence', `${beep_silence},1,${Math.ceil(beep_limit / 1000)}`);
    const beep_after_ms = after();
    const status = await session.getVariable('WAITSTATUS');
    return { beep: status === 'SILENCE' ? 'over' : 'limit', beep_after_ms };
  } catch (error) {
    if (error instanceof HangupError) return null;
    throw error;
  }
}

/** Milliseconds of the PBX's clock from now on. */
function stopwatch(speed: number): () => number {
  const began = performance.now();
  return () => Math.round((performance.now() - began) * speed);
}
