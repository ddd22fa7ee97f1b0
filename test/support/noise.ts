import { renderWav } from '../../src/messages/wav.js';

/** A WAV file of noise, another for each seed: what was heard of it cannot be taken for anything else. */
export function noise(seconds: number, seed = 1): Buffer {
  const samples = Buffer.alloc(seconds * 16_000);
  let state = Math.imul(seed, 0x9e3779b1);
  for (let i = 0; i < samples.length; i += 2) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    samples.writeInt16LE((state >> 17) - 8192, i);
  }
  return renderWav(samples);
}
