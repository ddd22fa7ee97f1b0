import type { Key, StepOf } from '../../calls/flow/schema.js';
import type { Recorded } from '../../calls/flow/way.js';
import { HangupError } from '../errors.js';
import type { AgiSession } from '../session.js';

/** Where a call's recordings go. */
export interface Recordings {
  /** The path, without its extension, of the next recording of the step of that name. */
  pathFor(step: string): string;
  /** Stores the file that Asterisk wrote there, and removes it. Null: nothing was said. */
  keep(path: string): Promise<{ id: string | null; seconds: number }>;
}

/** Records what the callee says. What he had said when he hung up is kept. */
export async function record(
  session: AgiSession,
  step: StepOf<'record'>,
  name: string,
  recordings: Recordings,
): Promise<Recorded> {
  const path = recordings.pathFor(name);
  const heard = await listen(session, step, path);
  return { ...heard, ...(await recordings.keep(path)) };
}

async function listen(
  session: AgiSession,
  { terminators, max_seconds, silence_seconds, beep }: StepOf<'record'>,
  path: string,
): Promise<{ key: Key | null; hungUp: boolean }> {
  try {
    const { digit } = await session.record(path, {
      escapeDigits: terminators.join(''),
      maxMs: max_seconds * 1000,
      silenceSeconds: silence_seconds,
      beep,
    });
    return { key: digit as Key | null, hungUp: false };
  } catch (error) {
    if (error instanceof HangupError) return { key: null, hungUp: true };
    throw error;
  }
}
