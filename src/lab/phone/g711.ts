/** ITU-T G.711: µ-law and A-law bytes to linear samples of 16 bit and back. */
export interface Law {
  decode(payload: Uint8Array): Int16Array;
  encode(pcm: Int16Array): Buffer;
}

const BIAS = 0x84;

function linearOfUlaw(byte: number): number {
  const code = ~byte & 0xff;
  const magnitude = (((code & 0x0f) << 3) + BIAS) << ((code & 0x70) >> 4);
  return code & 0x80 ? BIAS - magnitude : magnitude - BIAS;
}

function linearOfAlaw(byte: number): number {
  const code = byte ^ 0x55;
  const exponent = (code & 0x70) >> 4;
  const mantissa = (code & 0x0f) << 4;
  const magnitude = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1);
  return code & 0x80 ? magnitude : -magnitude;
}

/** As Asterisk's table has it, which gives -28 and not -29 what it gives 27: the ones' complement is the magnitude. */
function ulawOfLinear(sample: number): number {
  const magnitude = Math.min(sample < 0 ? ~sample : sample, 32_635) + BIAS;
  const exponent = 24 - Math.clz32(magnitude);
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff;
}

/** Of 13 bits: the lowest three of 16 are dropped, downwards. */
function alawOfLinear(sample: number): number {
  const linear = sample >> 3;
  const magnitude = linear < 0 ? -linear - 1 : linear;
  const exponent = Math.max(0, 27 - Math.clz32(magnitude));
  const mantissa = (magnitude >> Math.max(1, exponent)) & 0x0f;
  return ((linear < 0 ? 0 : 0x80) | (exponent << 4) | mantissa) ^ 0x55;
}

function lawOf(toLinear: (byte: number) => number, fromLinear: (sample: number) => number): Law {
  const linear = Int16Array.from({ length: 256 }, (_, byte) => toLinear(byte));
  return {
    decode(payload) {
      const pcm = new Int16Array(payload.length);
      for (let i = 0; i < payload.length; i++) pcm[i] = linear[payload[i]!]!;
      return pcm;
    },
    encode(pcm) {
      const payload = Buffer.allocUnsafe(pcm.length);
      for (let i = 0; i < pcm.length; i++) payload[i] = fromLinear(pcm[i]!);
      return payload;
    },
  };
}

export const ULAW: Law = lawOf(linearOfUlaw, ulawOfLinear);
export const ALAW: Law = lawOf(linearOfAlaw, alawOfLinear);
