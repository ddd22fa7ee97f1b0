import type { Law } from './g711.js';

// ITU-T G.722 at 64 kbit/s, its lower band only (0 to 4 kHz): six bits of each byte, a byte for each sample at 8 kHz. Phones
// keep what they hear at 8 kHz, and speak with an upper band of zero. Names and tables are the recommendation's.
const WL = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL42 = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const ILB = [
  2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960,
  3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const QM4 = [
  0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
];
const QM6 = [
  -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
  -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
  -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192,
  6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432,
  -136,
];
/** Decision levels of the quantiser of 60 levels. */
const Q6 = [
  0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
  1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/** The bits that stand for an upper band of nearly nothing. */
const UPPER = 0xc0;

const saturated = (value: number) => Math.max(-32_768, Math.min(32_767, value));
const limited = (value: number) => Math.max(-16_384, Math.min(16_383, value));
const sign = (value: number) => (value < 0 ? -1 : 1);

/** The adaptive predictor and the step size, which encoder and decoder keep alike. */
class LowerBand {
  /** The prediction of the next sample. */
  s = 0;
  /** The step size. */
  det = 32;
  #nb = 0;
  #sz = 0;
  /** Reconstructed and partial signals of the last two samples. */
  readonly #r = [0, 0];
  readonly #p = [0, 0];
  readonly #a = [0, 0];
  readonly #b = [0, 0, 0, 0, 0, 0];
  readonly #d = [0, 0, 0, 0, 0, 0];

  /** Takes the six bits of a sample and adapts. */
  adapt(code: number): void {
    const coarse = code >> 2;
    this.#predict((this.det * QM4[coarse]!) >> 15);
    const scaled = (this.#nb * 127) >> 7;
    this.#nb = Math.max(0, Math.min(18_432, scaled + WL[RL42[coarse]!]!));
    const shift = 8 - (this.#nb >> 11);
    const level = ILB[(this.#nb >> 6) & 31]!;
    this.det = (shift < 0 ? level << -shift : level >> shift) << 2;
  }

  /** Blocks RECONS, PARREC, UPPOL2, UPPOL1, UPZERO, FILTEP and FILTEZ. */
  #predict(d: number): void {
    const r = saturated(this.s + d);
    const p = saturated(this.#sz + d);
    const [p1, p2] = this.#p as [number, number];
    const [a1, a2] = this.#a as [number, number];
    const same1 = sign(p) === sign(p1);
    const same2 = sign(p) === sign(p2);

    const towards = saturated(a1 << 2);
    const first = Math.min(32_767, same1 ? -towards : towards);
    const next2 = (first >> 7) + (same2 ? 128 : -128) + ((a2 * 32_512) >> 15);
    const newA2 = Math.max(-12_288, Math.min(12_288, next2));
    const bound = saturated(15_360 - newA2);
    const next1 = saturated((same1 ? 192 : -192) + ((a1 * 32_640) >> 15));
    const newA1 = Math.max(-bound, Math.min(bound, next1));

    const gain = d === 0 ? 0 : 128;
    for (let i = 0; i < 6; i++) {
      const step = sign(d) === sign(this.#d[i]!) ? gain : -gain;
      this.#b[i] = saturated(step + ((this.#b[i]! * 32_640) >> 15));
    }
    this.#d.pop();
    this.#d.unshift(d);
    this.#p[1] = p1;
    this.#p[0] = p;
    this.#r[1] = this.#r[0]!;
    this.#r[0] = r;
    this.#a[0] = newA1;
    this.#a[1] = newA2;

    const poles = saturated(
      ((newA1 * saturated(2 * this.#r[0]!)) >> 15) + ((newA2 * saturated(2 * this.#r[1]!)) >> 15),
    );
    let zeros = 0;
    for (let i = 0; i < 6; i++) zeros += (this.#b[i]! * saturated(2 * this.#d[i]!)) >> 15;
    this.#sz = saturated(zeros);
    this.s = saturated(poles + this.#sz);
  }
}

/** Each call to it begins anew: a sound, or everything heard, at once. */
export const G722: Law = {
  decode(payload) {
    const band = new LowerBand();
    return Int16Array.from(payload, (byte) => {
      const code = byte & 0x3f;
      const sample = limited(band.s + ((band.det * QM6[code]!) >> 15));
      band.adapt(code);
      return 2 * sample;
    });
  },
  encode(pcm) {
    const band = new LowerBand();
    return Buffer.from(
      Array.from(pcm, (sample) => {
        const code = quantised((sample >> 1) - band.s, band.det);
        band.adapt(code);
        return UPPER | code;
      }),
    );
  },
};

/** Block QUANTL: the six bits of a difference. */
function quantised(difference: number, det: number): number {
  const e = saturated(difference);
  const magnitude = e >= 0 ? e : ~e;
  let level = 1;
  while (level < 30 && magnitude >= (Q6[level]! * det) >> 12) level += 1;
  if (e >= 0) return 62 - level;
  return level === 1 ? 63 : level === 2 ? 62 : 34 - level;
}
