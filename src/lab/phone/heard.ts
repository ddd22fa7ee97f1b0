import { type CodecName, codecOf } from './codec.js';
import { GAP_MS, type HeardPackets } from './ear.js';
import type { CallRecord } from './record.js';

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
 * What was heard as it sounded from `since` on: stretches begin when they arrived, and within each the packets
 * stand where their RTP timestamps put them, so that a lost one is silence.
 */
export function pcmOf(heard: HeardPackets, codec: CodecName, since: number): Int16Array {
  const { at, end, payload, timestamp } = heard;
  const places = ranges(heard).flatMap(([first, last]) => {
    const begin = Math.max(0, Math.round((at[first]! - since) * BYTES_PER_MS));
    return Array.from({ length: last - first + 1 }, (_, i) => ({
      index: first + i,
      sample: begin + ((timestamp[first + i]! - timestamp[first]!) | 0),
    }));
  });
  const bytesOf = (index: number) => payload.subarray(index === 0 ? 0 : end[index - 1]!, end[index]!);
  const length = places.reduce((most, p) => Math.max(most, p.sample + bytesOf(p.index).length), 0);
  const pcm = new Int16Array(length);
  const { decode } = codecOf(codec);
  for (const { index, sample } of places) if (sample >= 0) pcm.set(decode(bytesOf(index)), sample);
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
