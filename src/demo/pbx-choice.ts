import { CampanileError, messageOf } from '../errors.js';
import { canHaveAsterisk, ensureAsterisk, type Image } from '../lab/image.js';

/** What the calls of the demo go through. `note` is the sentence that the output begins with, if there is one. */
export type PbxChoice =
  | { pbx: 'asterisk'; image: Image; note: string | null }
  | { pbx: 'sandbox'; note: string };

export interface PbxWish {
  /** Null takes a real Asterisk where one can be had, else the sandbox. */
  pbx: 'asterisk' | 'sandbox' | null;
  cacheDir: string;
  /** Gets what debootstrap says, a line at a time. */
  log: (line: string) => void;
  /** Aborted when the demo is to end. */
  signal: AbortSignal;
}

const STAND_IN = 'the sandbox PBX, a pretend Asterisk, takes its place';

/** Decides about the PBX and gets a real Asterisk ready. Throws a CampanileError when one is insisted on in vain. */
export async function choosePbx({ pbx, cacheDir, log, signal }: PbxWish): Promise<PbxChoice> {
  if (pbx === 'sandbox') {
    return {
      pbx,
      note: 'No real Asterisk, as --pbx sandbox asks: the sandbox PBX, a pretend one, takes its place.',
    };
  }
  const reason = canHaveAsterisk();
  if (reason) return withoutAsterisk(pbx, reason);
  try {
    const { image, note } = await ensureAsterisk({ prefer: '22', cacheDir, log, signal });
    return { pbx: 'asterisk', image, note: note && `${note}.` };
  } catch (error) {
    signal.throwIfAborted();
    return withoutAsterisk(pbx, messageOf(error));
  }
}

function withoutAsterisk(wish: PbxWish['pbx'], reason: string): PbxChoice {
  if (wish === 'asterisk') {
    throw new CampanileError('no_asterisk', `no real Asterisk can be had here: ${reason}`);
  }
  return { pbx: 'sandbox', note: `No real Asterisk can be had here (${reason}): ${STAND_IN}.` };
}
