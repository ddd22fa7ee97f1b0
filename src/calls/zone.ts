import { zonesOfAreaCode } from './area-code.js';

export { isZone } from './offset.js';

/** Regions that have numbers of their own but, in Unicode's data, no zone of their own. */
const neighbours: Readonly<Record<string, string>> = { AC: 'SH', TA: 'SH', XK: 'RS' };

const northAmerica: readonly string[] = ['US', 'CA'];

/**
 * The time zones (IANA names) that a valid number of a `country` may lie in; a call must be legal in all of them. Of a US or
 * Canadian number, those of its area; toll-free, personal and unknown codes there may lie anywhere in both countries.
 * Of any other, all of its country's: mobile numbers move about in it, and of landlines no free source is right
 * everywhere (Google's area table lacks Saratov's change of zone in 2016). Territories that share a country's numbers
 * so closely that they cannot be told apart count as the country. Empty when nothing is known: for a number of no country,
 * such as a satellite phone.
 */
export function zonesOf(country: string | undefined, nationalNumber: string): readonly string[] {
  if (country === undefined) return [];
  if (!northAmerica.includes(country)) return zonesOfRegion(country);
  return zonesOfAreaCode(nationalNumber.slice(0, 3)) ?? northAmerica.flatMap(zonesOfRegion);
}

const byRegion = new Map<string, readonly string[]>();

/** The zones of an ISO 3166 region, from the Unicode data that Node carries; empty when there are none. */
function zonesOfRegion(region: string): readonly string[] {
  const known = byRegion.get(region);
  if (known) return known;
  const locale: object = new Intl.Locale('und', { region: neighbours[region] ?? region });
  // A property in Node 20, later a method; TypeScript knows neither yet.
  const { timeZones, getTimeZones } = locale as { timeZones?: string[]; getTimeZones?: () => string[] };
  const zones = getTimeZones?.call(locale) ?? timeZones ?? [];
  byRegion.set(region, zones);
  return zones;
}
