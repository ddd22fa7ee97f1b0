import { TRIAL_PORTS } from '../calls/breaker.js';
import type { Group, Way } from '../calls/share.js';
import type { DueCampaign } from '../db/claim.js';
import type { TrunkInOrder } from '../db/trunk-order.js';

/** How many calls may be tried on a trunk whose rest is over; null where it did not rest. */
export function trialPortsOf({ rests_ms }: TrunkInOrder): number | null {
  return rests_ms === null ? null : TRIAL_PORTS;
}

export function wayOf(trunk: TrunkInOrder): Way {
  const { trunk_id, pbx_trunk } = trunk;
  const trials = trialPortsOf(trunk) === null ? [] : [`trials ${trunk_id}`];
  return { trunk: trunk_id, limits: [`pbx_trunk ${pbx_trunk}`, `trunk ${trunk_id}`, ...trials] };
}

/**
 * The contacts of a campaign that are due, by the trunks that may take them; who has waited for a further trunk comes first.
 * Those who fail over go on to the trunks from their position on; where nobody can dial through any of these now, they begin
 * from the first. What this node alone cannot dial through is left to the nodes that can: `templates` are those it has.
 */
export function groupsOf(campaign: DueCampaign, templates: readonly string[]): Group[] {
  const usable = campaign.trunks.filter(
    ({ usable, rests_ms }) => usable && (rests_ms === null || rests_ms <= 0),
  );
  const waysFrom = (position: number) => {
    const later = usable.filter((trunk) => trunk.position >= position);
    return (later.length > 0 ? later : usable)
      .filter(({ loaded, template }) => loaded && templates.includes(template))
      .map(wayOf);
  };
  return [campaign.due, ...campaign.failing_over]
    .map((due, i) => ({ trunkFrom: i + 1, due, ways: waysFrom(i + 1) }))
    .reverse();
}

/** Milliseconds until the first of the campaigns' trunks has rested; null when none rests. */
export function restEndsInMs(campaigns: readonly DueCampaign[]): number | null {
  const rests = campaigns.flatMap(({ trunks }) => trunks.flatMap(({ rests_ms }) => rests_ms ?? []));
  const later = rests.filter((ms) => ms > 0);
  return later.length === 0 ? null : Math.min(...later);
}
