import { type Comparison, compareBytes } from './compare.js';
import type { HeardCall } from './heard.js';

const BYTES_PER_MS = 8;
/** A packet is 20 ms of sound, the last one too. */
const PACKET_MS = 20;

/**
 * How many milliseconds each of these sounds came late, heard one behind the other by an ulaw phone whose keys are held for
 * `holdMs`: after the last key let go before it or, where that did not cut it off, the end of the sound before; the first, after
 * the answer. Null when they are not what was heard.
 */
export function latenessOf(heard: HeardCall, sounds: readonly Uint8Array[], holdMs: number): number[] | null {
  const received = Buffer.concat(heard.stretches.map(({ payload }) => payload));
  const { sounds: found, otherMs } = compareBytes(received, ...sounds);
  if (otherMs > 0 || found.some(({ is }) => is === 'different')) return null;
  return found.map(({ atMs }, i) => {
    const at = arrivalOf(heard, atMs * BYTES_PER_MS);
    const before = found[i - 1];
    // The packet that ends a key tells of the last 20 ms before it.
    const keys = heard.pressed.filter((key) => key.at <= at).map((key) => key.at + holdMs - PACKET_MS);
    const causes = before?.is === 'whole' ? [...keys, endOf(heard, before)] : keys;
    return at - Math.max(heard.answeredAt!, ...causes);
  });
}

function endOf(heard: HeardCall, { atMs, ms }: Comparison): number {
  return arrivalOf(heard, (atMs + ms) * BYTES_PER_MS - 1) + PACKET_MS;
}

/** When the packet with this byte of all that was heard arrived. */
function arrivalOf({ heard: { at, end } }: HeardCall, byte: number): number {
  return at[end.findIndex((last) => last > byte)]!;
}
