import { describe, expect, it } from 'vitest';
import { createLoudnessMeter } from '../../src/messages/loudness.js';
import { createClippingMeter, createSoundMeter, floats, integers } from '../../src/messages/meters.js';

function sine(rate: number, seconds: number, hertz: number, amplitude: number): Float32Array {
  return Float32Array.from(
    { length: rate * seconds },
    (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * i) / rate),
  );
}

describe('loudness', () => {
  // EBU Tech 3341, test cases 1 to 4, with one channel instead of two: 3.01 LU less.
  it.each([48_000, 16_000, 8000])('of the EBU test signals is as EBU Tech 3341 says, at %s Hz', (rate) => {
    const loudnessOf = (...parts: [seconds: number, db: number][]) => {
      const meter = createLoudnessMeter(rate);
      for (const [seconds, db] of parts) meter.push(sine(rate, seconds, 1000, 10 ** (db / 20)));
      return meter.result()! + 3.01;
    };
    expect(Math.abs(loudnessOf([20, -23]) + 23)).toBeLessThan(0.1);
    expect(Math.abs(loudnessOf([20, -33]) + 33)).toBeLessThan(0.1);
    expect(Math.abs(loudnessOf([10, -36], [60, -23], [10, -36]) + 23)).toBeLessThan(0.1);
    expect(Math.abs(loudnessOf([10, -72], [10, -36], [60, -23], [10, -36], [10, -72]) + 23)).toBeLessThan(
      0.1,
    );
  });

  it('of less than a block is that of what there is, and of silence is none', () => {
    const short = createLoudnessMeter(8000);
    short.push(sine(8000, 0.05, 1000, 0.1));
    expect(short.result()).toBeCloseTo(-23, 0);
    const silent = createLoudnessMeter(8000);
    expect(silent.result()).toBeNull();
    silent.push(new Float32Array(8000));
    expect(silent.result()).toBeNull();
  });
});

describe('clipping', () => {
  const shareOf = (channels: number, ...samples: number[]) => {
    const meter = createClippingMeter(channels);
    meter.push(Float32Array.from(samples));
    return meter.result().share;
  };

  it('is a flat top of three samples and more, at full scale', () => {
    expect(shareOf(1, 0, 1, 1, 1, 0)).toBe(3 / 5);
    expect(shareOf(1, 0, -1, -1, -1, -1)).toBe(4 / 5);
    expect(shareOf(1, 0, 1, 1, 0, 1)).toBe(0);
    expect(shareOf(1, 0.5, 0.5, 0.5, 0.5)).toBe(0);
    expect(shareOf(1, 0.99, 0.985, 0.99, 0.995)).toBe(0);
  });

  it('is what lies beyond full scale', () => {
    expect(shareOf(1, 1.01, 0, -1.5, 0)).toBe(0.5);
  });

  it('is of each channel for itself', () => {
    expect(shareOf(2, 1, 0, 1, 0, 1, 0)).toBe(0.5);
    expect(shareOf(2, 1, 0, 0, 1, 1, 0)).toBe(0);
  });

  it('is not in a sine of full scale', () => {
    const meter = createClippingMeter(1);
    meter.push(Float32Array.from(sine(44_100, 1, 200, 32_767), (value) => Math.round(value) / 32_768));
    expect(meter.result().share).toBeLessThan(0.001);
  });
});

describe('silence', () => {
  it('is measured at both ends, to 20 ms', () => {
    const meter = createSoundMeter(8000);
    for (const [seconds, amplitude] of [
      [1.5, 0],
      [1, 0.1],
      [0.5, 0],
      [1, 0.1],
      [2, 0.0005],
    ] as const)
      meter.push(sine(8000, seconds, 440, amplitude));
    const { silenceAtStart, silenceAtEnd, seconds, silent } = meter.result();
    expect(seconds).toBe(6);
    expect(silent).toBe(false);
    expect(Math.abs(silenceAtStart - 1.5)).toBeLessThanOrEqual(0.02);
    expect(Math.abs(silenceAtEnd - 2)).toBeLessThanOrEqual(0.02);
  });
});

describe('samples of a stream', () => {
  it('are whole however it is cut', () => {
    const bytes = Buffer.from(Float32Array.of(0.25, -0.5, 0.75).buffer);
    for (let at = 0; at <= bytes.length; at++) {
      const heard: number[] = [];
      const take = floats((samples) => heard.push(...samples));
      take(bytes.subarray(0, at));
      take(bytes.subarray(at));
      expect(heard).toEqual([0.25, -0.5, 0.75]);
    }
    const heard: number[] = [];
    const take = integers((samples) => heard.push(...samples));
    for (const byte of Buffer.from(Int16Array.of(16_384, -32_768).buffer)) take(Buffer.of(byte));
    expect(heard).toEqual([0.5, -1]);
  });
});
