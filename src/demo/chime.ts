import { renderWav } from '../messages/wav.js';

const RATE = 8000;

/** A tone that begins at `at` seconds and dies away; its overtones die away sooner, as a bell's do. */
interface Stroke {
  at: number;
  hertz: number;
}

// E and C of a door bell.
const STROKES: readonly Stroke[] = [
  { at: 0, hertz: 659.26 },
  { at: 0.7, hertz: 523.25 },
];
const OVERTONES = [
  { times: 1, loud: 1, fades: 2.2 },
  { times: 2, loud: 0.35, fades: 4 },
  { times: 3.01, loud: 0.12, fades: 7 },
];
const LOUDNESS = 9000;
const ATTACK_SECONDS = 0.004;
const RELEASE_SECONDS = 0.2;

/** The demo's message, a chime of two tones, as messages must be: a WAV file of 8 kHz, mono, 16 bit PCM. */
export function chimeWav(seconds: number): Buffer {
  const samples = Buffer.alloc(Math.round(seconds * RATE) * 2);
  for (let i = 0; i < samples.length / 2; i++) {
    const t = i / RATE;
    const release = Math.min(1, (seconds - t) / RELEASE_SECONDS);
    const level = STROKES.reduce((sum, stroke) => sum + levelOf(stroke, t), 0) * release;
    samples.writeInt16LE(Math.max(-32_767, Math.min(32_767, Math.round(LOUDNESS * level))), i * 2);
  }
  return renderWav(samples);
}

function levelOf({ at, hertz }: Stroke, t: number): number {
  const since = t - at;
  if (since < 0) return 0;
  const attack = Math.min(1, since / ATTACK_SECONDS);
  return OVERTONES.reduce(
    (sum, { times, loud, fades }) =>
      sum + attack * loud * Math.exp(-fades * since) * Math.sin(2 * Math.PI * hertz * times * since),
    0,
  );
}
