import { type CodecName, codecOf } from './codec.js';
import { GAP_MS, type HeardPackets } from './ear.js';
import type { CallRecord } from './record.js';
import { PACKET_SAMPLES } from './rtp.js';

/** Audio without a gap: a prompt, or several that followed each other at once. */
export interface Stretch {
  /** When its first packet arrived, in milliseconds since 1970. */
  at: number;
  /** Length of its audio. */
  ms: number;
  payload: Buffer;
}

/** The record of a call with what was heard made of the packets. */
export interface HeardCall extends CallRecord {
  stretches: Stretch[];
  /** Everything heard since the answer, 8 kHz and 16 bit, with silence where nothing came. */
  pcm(): Int16Array;
}

export function heardCall(record: CallRecord, codec: CodecName): HeardCall {
  return {
    ...record,
    stretches: stretchesOf(record.heard),
    pcm: () => pcmOf(record.heard, codec, record.answeredAt ?? record.invitedAt),
  };
}

const BYTES_PER_MS = 8;
// More than that within a stretch are no lost packets but a new count.
const MOST_LOST = 50;

/** The stretches of audio in what was heard. */
export function stretchesOf(heard: HeardPackets): Stretch[] {
  const { at, end, payload } = heard;
  return ranges(heard).map(([first, last]) => {
    const from = first === 0 ? 0 : end[first - 1]!;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset + from, end[last]! - from);
    return { at: at[first]!, ms: bytes.length / BYTES_PER_MS, payload: bytes };
  });
}

/**
 * What was heard as it sounded from `since` on: stretches begin when they arrived, and within each the packets follow each
 * other by their sequence numbers; a lost one is silence. Not by their timestamps, which Asterisk sets wrongly for the
 * last packet of a prompt, when that is shorter than 20 ms.
 */
export function pcmOf(heard: HeardPackets, codec: CodecName, since: number): Int16Array {
  const { at, end, payload, sequence } = heard;
  const places: { place: number; samples: Int16Array }[] = [];
  for (const [first, last] of ranges(heard)) {
    const begin = first === 0 ? 0 : end[first - 1]!;
    // At once, because G.722 goes by what came before, and anew, because Asterisk encodes each prompt anew. A byte is a
    // sample, whatever the codec.
    const samples = codecOf(codec).decode(payload.subarray(begin, end[last]!));
    let place = Math.max(0, Math.round((at[first]! - since) * BYTES_PER_MS));
    for (let i = first; i <= last; i++) {
      const lost = i === first ? 0 : (sequence[i]! - sequence[i - 1]! - 1) & 0xffff;
      if (lost < MOST_LOST) place += lost * PACKET_SAMPLES;
      const from = i === 0 ? 0 : end[i - 1]!;
      places.push({ place, samples: samples.subarray(from - begin, end[i]! - begin) });
      place += end[i]! - from;
    }
  }
  const length = places.reduce((most, p) => Math.max(most, p.place + p.samples.length), 0);
  const pcm = new Int16Array(length);
  for (const { place, samples } of places) pcm.set(samples, place);
  return pcm;
}

/** First and last packet of each stretch. */
function ranges({ at }: HeardPackets): [number, number][] {
  const found: [number, number][] = [];
  for (let i = 0; i < at.length; i++) {
    const last = found.at(-1);
    if (last && at[i]! - at[i - 1]! <= GAP_MS) last[1] = i;
    else found.push([i, i]);
  }
  return found;
}
