import { parseNumber } from './number.js';

/** A number in E.164, as it is read in a region; null where it says its country itself. */
export interface Reading {
  number: string;
  region: string | null;
}

/**
 * What a number that a carrier delivers may be: with its plus, without it, or as it is written in one of `regions` (ISO 3166).
 * None for a caller who does not show his number.
 */
export function readingsOf(text: string, regions: readonly string[]): Reading[] {
  const itself = parseNumber(text) ?? (/^\d+$/.test(text) ? parseNumber(`+${text}`) : null);
  const readings: Reading[] = itself ? [{ number: itself, region: null }] : [];
  for (const region of regions) {
    const number = parseNumber(text, region);
    if (number && number !== itself) readings.push({ number, region });
  }
  return readings;
}
