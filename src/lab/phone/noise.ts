import { createHash } from 'node:crypto';
import { renderWav } from '../../messages/wav.js';
import { codecOf } from './codec.js';
import { playedOf } from './sounds.js';

/** A message like no other, so that what was heard of it cannot be mistaken. */
export interface Noise {
  wav: Buffer;
  sha256: string;
  /** As an ulaw call hears it. */
  payload: Buffer;
  seconds: number;
}

/** Noise of so many seconds; another `seed` is another sound. */
export function noise(seconds: number, seed: number): Noise {
  const samples = Buffer.alloc(Math.round(seconds * 8000) * 2);
  let state = seed;
  for (let i = 0; i < samples.length; i += 2) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    samples.writeInt16LE((state >> 17) - 8192, i);
  }
  const wav = renderWav(samples);
  const sha256 = createHash('sha256').update(wav).digest('hex');
  return { wav, sha256, payload: codecOf('PCMU').encode(playedOf(wav)), seconds };
}
