import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseWav } from '../../messages/wav.js';
import { packageRoot } from '../../root.js';
import { type CodecName, codecOf } from './codec.js';
import { PACKET_SAMPLES } from './rtp.js';
import type { Sound } from './script.js';

const SPEECH = join(packageRoot, 'src/lab/phone/speech');
const RATE = 8000;
const TONE_PEAK = 8000;

/** The sounds of a phone as payloads of whole packets, each made once: nobody waits for a file in the middle of a call. */
export function createSounds(codec: CodecName): {
  payloadOf(sound: Sound): Buffer;
  silence(ms: number): Buffer;
} {
  const made = new Map<string, Buffer>();
  const encode = (pcm: Int16Array) => {
    const whole = new Int16Array(Math.ceil(pcm.length / PACKET_SAMPLES) * PACKET_SAMPLES);
    whole.set(pcm);
    return codecOf(codec).encode(whole);
  };
  return {
    payloadOf(sound) {
      const key = JSON.stringify(sound);
      const payload = made.get(key) ?? encode(pcmOfSound(sound));
      made.set(key, payload);
      return payload;
    },
    silence: (ms) => encode(new Int16Array((ms * RATE) / 1000)),
  };
}

/** 8 kHz, 16 bit. Throws what reading a file throws, and a CampanileError for one that is no WAV file of that kind. */
export function pcmOfSound(sound: Sound): Int16Array {
  if ('tone' in sound) {
    const step = (2 * Math.PI * sound.tone) / RATE;
    return Int16Array.from({ length: (sound.ms * RATE) / 1000 }, (_, i) => TONE_PEAK * Math.sin(step * i));
  }
  return pcmOfWav(readFileSync('file' in sound ? sound.file : join(SPEECH, `${sound.speech}.wav`)));
}

/** The samples of a WAV file of 8 kHz, mono, 16 bit. */
export function pcmOfWav(bytes: Buffer): Int16Array {
  const samples = parseWav(bytes).file.subarray(44);
  return Int16Array.from({ length: samples.length / 2 }, (_, i) => samples.readInt16LE(2 * i));
}

/** What Asterisk plays of a WAV file: format_wav.c takes the header of 44 bytes for sound and leaves out as much at the end. */
export function playedOf(wav: Buffer): Int16Array {
  const pcm = pcmOfWav(wav);
  return pcm.subarray(0, pcm.length - 22);
}
