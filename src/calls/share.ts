/** A limit that several campaigns may draw on: a node, a PBX trunk, a tenant, a tenant's trunk or a campaign. */
export interface Limit {
  /** Calls that may start now: free ports, or less where calls per second allow less. */
  free: number;
}

/** A trunk that calls may take, and the limits that only calls on it draw on. */
export interface Way {
  trunk: string;
  limits: readonly string[];
}

/** Contacts that are due and may take the same trunks: the first of `ways` with a free port. */
export interface Group {
  /** The first position in the campaign's order of trunks that may take them (`contacts.trunk_from`). */
  trunkFrom: number;
  /** How many they are (or the most that is worth knowing). */
  due: number;
  ways: readonly Way[];
}

/** A running campaign. `limits` are the keys of all limits that each of its calls draws on, whatever trunk it takes. */
export interface Candidate {
  tenant: string;
  campaign: string;
  weight: number;
  /** Who comes first is served first. */
  groups: readonly Group[];
  /** Ports the campaign holds already. */
  inUse: number;
  limits: readonly string[];
}

/** `count` calls that a campaign may start on a trunk, to contacts of the group of `trunkFrom`. */
export interface Grant {
  campaign: string;
  trunkFrom: number;
  trunk: string;
  count: number;
}

/**
 * Shares free ports: between tenants equally, and between a tenant's campaigns by weight, counting the ports that
 * are held already. Each port goes to the tenant, then to the campaign, with the smallest (held + 1/2) / weight:
 * the highest-averages method of Sainte-Laguë, which comes to the same as the largest remainder when many ports are
 * free at once, and unlike it starves nobody when they come free one at a time. The campaign takes it on the first trunk
 * in its order that has a free one.
 *
 * Takes any number of candidates and the limits by key; returns how many calls each campaign may start, and on which
 * trunks, in the order of its groups and trunks. The arguments are not changed.
 */
export function sharePorts(candidates: readonly Candidate[], limits: ReadonlyMap<string, Limit>): Grant[] {
  const free = new Map([...limits].map(([key, limit]) => [key, limit.free]));
  const isFree = (keys: readonly string[]) => keys.every((key) => (free.get(key) ?? 0) >= 1);
  const heldByTenant = new Map<string, number>();
  for (const c of candidates) heldByTenant.set(c.tenant, (heldByTenant.get(c.tenant) ?? 0) + c.inUse);
  let open = candidates.map((candidate) => ({ candidate, got: 0, queue: queueOf(candidate) }));
  const all = open;
  for (;;) {
    open = open.filter(({ candidate, queue }) => isFree(candidate.limits) && firstWay(queue, isFree));
    const next = smallest(open, ({ candidate: c, got }) => [
      heldByTenant.get(c.tenant) ?? 0,
      (c.inUse + got + 0.5) / c.weight,
    ]);
    if (!next) return all.flatMap(({ candidate, queue }) => grantsOf(candidate, queue));
    const { candidate, queue } = next;
    const way = firstWay(queue, isFree)!;
    way.got += 1;
    way.group.left -= 1;
    next.got += 1;
    heldByTenant.set(candidate.tenant, (heldByTenant.get(candidate.tenant) ?? 0) + 1);
    for (const key of [...candidate.limits, ...way.limits]) free.set(key, (free.get(key) ?? 0) - 1);
  }
}

/** A way that a group may take, how many of the group are left, and how many it got on this way. */
interface Choice extends Way {
  group: { trunkFrom: number; left: number };
  got: number;
}

/** All ways of all groups, in the order in which they are to be taken. */
function queueOf({ groups }: Candidate): Choice[] {
  return groups.flatMap(({ trunkFrom, due, ways }) => {
    const group = { trunkFrom, left: due };
    return ways.map((way) => ({ ...way, group, got: 0 }));
  });
}

function firstWay(
  queue: readonly Choice[],
  isFree: (keys: readonly string[]) => boolean,
): Choice | undefined {
  return queue.find(({ group, limits }) => group.left > 0 && isFree(limits));
}

function grantsOf({ campaign }: Candidate, queue: readonly Choice[]): Grant[] {
  return queue
    .filter(({ got }) => got > 0)
    .map(({ group, trunk, got }) => ({ campaign, trunkFrom: group.trunkFrom, trunk, count: got }));
}

/** The element whose rank is smallest, compared number by number; ties go to the first. */
function smallest<T>(elements: readonly T[], rank: (element: T) => [number, number]): T | undefined {
  let best: T | undefined;
  let bestRank: [number, number] = [Infinity, Infinity];
  for (const element of elements) {
    const r = rank(element);
    if (r[0] < bestRank[0] || (r[0] === bestRank[0] && r[1] < bestRank[1])) {
      best = element;
      bestRank = r;
    }
  }
  return best;
}
