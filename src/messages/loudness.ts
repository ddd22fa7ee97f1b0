// ITU-R BS.1770-4 for one channel: the K-weighting filters, and the mean power of blocks of 400 ms, every 100 ms, that pass an
// absolute gate of -70 LUFS and then a relative one, 10 LU below the mean of those.
const STEP_SECONDS = 0.1;
const STEPS_OF_A_BLOCK = 4;
const ABSOLUTE_GATE = 10 ** ((-70 + 0.691) / 10);
const RELATIVE_GATE = 0.1;

/** Measures the loudness of sound that comes piece by piece. */
export interface LoudnessMeter {
  push(samples: Float32Array): void;
  /** LUFS; null when there was nothing but silence. Sound shorter than a block counts as one block. */
  result(): number | null;
}

export function createLoudnessMeter(rate: number): LoudnessMeter {
  const shelf = createBiquad(highShelf(rate));
  const highPass = createBiquad(lowCut(rate));
  const stepLength = Math.round(rate * STEP_SECONDS);
  const steps: number[] = [];
  let sum = 0;
  let count = 0;
  let total = 0;
  let heard = 0;
  return {
    push(samples) {
      for (const sample of samples) {
        const weighted = highPass(shelf(sample));
        sum += weighted * weighted;
        count += 1;
        if (count < stepLength) continue;
        steps.push(sum / stepLength);
        [total, heard, sum, count] = [total + sum, heard + count, 0, 0];
      }
    },
    result() {
      const blocks = blocksOf(steps);
      if (blocks.length === 0 && heard + count > 0) blocks.push((total + sum) / (heard + count));
      const loud = blocks.filter((power) => power > ABSOLUTE_GATE);
      const gate = mean(loud) * RELATIVE_GATE;
      const counted = loud.filter((power) => power > gate);
      return counted.length === 0 ? null : -0.691 + 10 * Math.log10(mean(counted));
    },
  };
}

function blocksOf(steps: readonly number[]): number[] {
  const blocks: number[] = [];
  for (let end = STEPS_OF_A_BLOCK; end <= steps.length; end++) {
    blocks.push(mean(steps.slice(end - STEPS_OF_A_BLOCK, end)));
  }
  return blocks;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

interface Coefficients {
  b: readonly [number, number, number];
  a: readonly [number, number];
}

/** The two filters for any rate; the standard's table is that of 48 kHz (derived as in libebur128). */
function highShelf(rate: number): Coefficients {
  const k = Math.tan((Math.PI * 1681.974450955533) / rate);
  const q = 0.7071752369554196;
  const high = 10 ** (3.999843853973347 / 20);
  const band = high ** 0.4996667741545416;
  const a0 = 1 + k / q + k * k;
  return {
    b: [
      (high + (band * k) / q + k * k) / a0,
      (2 * (k * k - high)) / a0,
      (high - (band * k) / q + k * k) / a0,
    ],
    a: [(2 * (k * k - 1)) / a0, (1 - k / q + k * k) / a0],
  };
}

function lowCut(rate: number): Coefficients {
  const k = Math.tan((Math.PI * 38.13547087602444) / rate);
  const q = 0.5003270373238773;
  const a0 = 1 + k / q + k * k;
  return { b: [1, -2, 1], a: [(2 * (k * k - 1)) / a0, (1 - k / q + k * k) / a0] };
}

function createBiquad({ b, a }: Coefficients): (sample: number) => number {
  let [z1, z2] = [0, 0];
  return (sample) => {
    const out = b[0] * sample + z1;
    z1 = b[1] * sample - a[0] * out + z2;
    z2 = b[2] * sample - a[1] * out;
    return out;
  };
}
