import { isOpen, nextOpening } from '../calls/opening.js';
import type { ClosedZones, DueCampaign } from '../db/claim.js';

/** Where campaigns may not call now, and when the first of them opens (ms from now; null: not for long). */
export interface Closed {
  zones: ClosedZones;
  opensInMs: number | null;
}

export const NOTHING_CLOSED: Closed = { zones: [], opensInMs: null };

/** A campaign, as far as it says when it may call. */
type Opening = Pick<DueCampaign, 'campaign_id' | 'zones' | 'window' | 'start_at' | 'end_at' | 'now'>;

/** The zones in which campaigns may not call, because it is before their start, after their end, or outside their window. */
export function closedZonesOf(campaigns: readonly Opening[]): Closed {
  const zones: { campaignId: string; zones: string }[] = [];
  let opensInMs = Infinity;
  for (const campaign of campaigns) {
    for (const names of campaign.zones) {
      if (mayCall(campaign, names)) continue;
      zones.push({ campaignId: campaign.campaign_id, zones: names });
      const opening = opensAt(campaign, names);
      if (opening) opensInMs = Math.min(opensInMs, opening.getTime() - campaign.now.getTime());
    }
  }
  return { zones, opensInMs: opensInMs === Infinity ? null : opensInMs };
}

function mayCall({ start_at, end_at, window, now }: Opening, names: string): boolean {
  return (
    (start_at === null || start_at <= now) &&
    (end_at === null || end_at > now) &&
    (window === null || isOpen(window, zoneNames(names), now))
  );
}

function opensAt({ start_at, end_at, window, now }: Opening, names: string): Date | null {
  const from = start_at && start_at > now ? start_at : now;
  const opening = window ? nextOpening(window, zoneNames(names), from) : from;
  return opening && (end_at === null || opening < end_at) ? opening : null;
}

function zoneNames(names: string): string[] {
  return names === '' ? [] : names.split(' ');
}

/** Whether the same zones are closed. */
export function sameZones(one: Closed, other: Closed): boolean {
  return (
    one.zones.length === other.zones.length &&
    one.zones.every(({ campaignId, zones }, i) => {
      const same = other.zones[i]!;
      return same.campaignId === campaignId && same.zones === zones;
    })
  );
}
