import { isOpen, nextClosing, nextOpening } from './opening.js';
import type { CallingWindow } from './window.js';

/** Contacts that are to be called, by the zones that they may be in. */
export interface Group {
  zones: readonly string[];
  contacts: number;
}

/** When a campaign would be through, and who would not have been called by its end. */
export interface Estimate {
  /** Null when it would never be: nobody may be called, or the speed is 0. */
  endsAt: Date | null;
  expired: number;
}

const MOST_STEPS = 10_000;

/**
 * When all contacts will have been called once, at `perSecond` calls a second whenever the window is open for any of those
 * that are left; the open ones share the speed by how many they are.
 */
export function estimateEnd(options: {
  groups: readonly Group[];
  window: CallingWindow | null;
  perSecond: number;
  from: Date;
  endAt: Date | null;
}): Estimate {
  const { window, perSecond, from, endAt } = options;
  let left = options.groups.filter((group) => group.contacts > 0).map((group) => ({ ...group }));
  let now = from;
  for (let step = 0; step < MOST_STEPS && left.length > 0; step += 1) {
    if (perSecond <= 0) break;
    const open = window ? left.filter(({ zones }) => isOpen(window, zones, now)) : left;
    const change = nextChange(window, left, now);
    const until = earliest(change, endAt);
    if (open.length > 0) {
      const waiting = open.reduce((sum, group) => sum + group.contacts, 0);
      const seconds = until ? (until.getTime() - now.getTime()) / 1000 : Infinity;
      if (waiting / perSecond <= seconds && open.length === left.length) {
        return { endsAt: new Date(now.getTime() + (waiting / perSecond) * 1000), expired: 0 };
      }
      const called = Math.min(waiting, seconds * perSecond);
      for (const group of open) group.contacts -= (called * group.contacts) / waiting;
      left = left.filter((group) => group.contacts >= 0.5);
    }
    if (!until || (endAt && until >= endAt)) break;
    now = until;
  }
  const expired = left.reduce((sum, group) => sum + Math.round(group.contacts), 0);
  if (left.length === 0) return { endsAt: now, expired: 0 };
  return { endsAt: endAt, expired: endAt ? expired : 0 };
}

/** When a window opens or closes next for any of the groups. */
function nextChange(window: CallingWindow | null, groups: readonly Group[], now: Date): Date | null {
  if (!window) return null;
  const changes = groups.map(({ zones }) =>
    isOpen(window, zones, now) ? nextClosing(window, zones, now) : nextOpening(window, zones, now),
  );
  return changes.reduce(earliest, null);
}

function earliest(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? one : other;
}
