import { createLoudnessMeter } from './loudness.js';

/** dB of a ratio of amplitudes; null of none. */
export function decibels(amplitude: number): number | null {
  return amplitude > 0 ? 20 * Math.log10(amplitude) : null;
}

const FRAME_SECONDS = 0.02;
/** Mean power of a frame below which nothing is to be heard: -60 dB of full scale. */
const SILENT_POWER = 1e-6;

/** Sound of one channel, full scale 1: how long and how loud it is, and where it is silent. */
export interface SoundMeter {
  push(samples: Float32Array): void;
  result(): {
    seconds: number;
    /** The highest sample, 0 to 1 and over. */
    peak: number;
    /** LUFS; null where there is nothing but silence. */
    loudnessDb: number | null;
    /** All of it is silent. */
    silent: boolean;
    silenceAtStart: number;
    silenceAtEnd: number;
  };
}

export function createSoundMeter(rate: number): SoundMeter {
  const loudness = createLoudnessMeter(rate);
  const frameLength = Math.round(rate * FRAME_SECONDS);
  let [samplesHeard, peak, sum, count] = [0, 0, 0, 0];
  let firstLoud: number | null = null;
  let endOfLoud = 0;
  function endFrame() {
    if (count > 0 && sum / count >= SILENT_POWER) {
      firstLoud ??= samplesHeard - count;
      endOfLoud = samplesHeard;
    }
    [sum, count] = [0, 0];
  }
  return {
    push(samples) {
      loudness.push(samples);
      for (const sample of samples) {
        peak = Math.max(peak, Math.abs(sample));
        sum += sample * sample;
        count += 1;
        samplesHeard += 1;
        if (count === frameLength) endFrame();
      }
    },
    result() {
      endFrame();
      return {
        seconds: samplesHeard / rate,
        peak,
        loudnessDb: loudness.result(),
        silent: firstLoud === null,
        silenceAtStart: (firstLoud ?? samplesHeard) / rate,
        silenceAtEnd: (samplesHeard - endOfLoud) / rate,
      };
    },
  };
}

/** So many samples in a row that are equal and near full scale are a wave whose top was cut off. */
const FLAT_TOP = 3;
const NEAR_FULL_SCALE = 0.98; // the highest value of mu-law is 0.980, of 8 bit 0.992

/** Counts the clipped samples of an upload, channels in turn, full scale 1. */
export interface ClippingMeter {
  push(samples: Float32Array): void;
  /** The highest sample, and which part of the samples is clipped: 0 to 1. */
  result(): { peak: number; share: number };
}

/**
 * Clipped is what lies over full scale, as lossy codecs give back a wave that was cut, or in a flat top: at least three equal
 * samples of a channel near full scale.
 */
export function createClippingMeter(channels: number): ClippingMeter {
  const last = new Float32Array(channels);
  const equal = new Uint32Array(channels);
  let [heard, clipped, peak, channel] = [0, 0, 0, 0];
  return {
    push(samples) {
      for (const sample of samples) {
        const level = Math.abs(sample);
        if (level > peak) peak = level;
        if (level > 1) {
          clipped += 1;
          equal[channel] = 0;
        } else if (level >= NEAR_FULL_SCALE) {
          const run = sample === last[channel] ? equal[channel]! + 1 : 1;
          if (run === FLAT_TOP) clipped += FLAT_TOP;
          else if (run > FLAT_TOP) clipped += 1;
          equal[channel] = run;
        } else equal[channel] = 0;
        last[channel] = sample;
        if (++channel === channels) channel = 0;
      }
      heard += samples.length;
    },
    result: () => ({ peak, share: heard === 0 ? 0 : clipped / heard }),
  };
}

/** Hands the 32-bit floats of a stream to `take`, whole ones however its chunks are cut. */
export function floats(take: (samples: Float32Array) => void): (chunk: Buffer) => void {
  return wholes(4, (bytes) => take(new Float32Array(bytes)));
}

/** The same for integers of 16 bit, as floats of full scale 1. */
export function integers(take: (samples: Float32Array) => void): (chunk: Buffer) => void {
  return wholes(2, (bytes) => take(Float32Array.from(new Int16Array(bytes), (sample) => sample / 32_768)));
}

function wholes(size: number, take: (bytes: ArrayBuffer) => void): (chunk: Buffer) => void {
  let left = Buffer.alloc(0);
  return (chunk) => {
    const bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
    const whole = bytes.length - (bytes.length % size);
    left = Buffer.from(bytes.subarray(whole));
    // Copied, so that it begins where a number may.
    take(new Uint8Array(bytes.subarray(0, whole)).buffer);
  };
}
