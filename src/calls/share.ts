/** A limit that several campaigns may draw on: a node, a PBX trunk, a tenant, a tenant's trunk or a campaign. */
export interface Limit {
  /** Calls that may start now: free ports, or less where calls per second allow less. */
  free: number;
}

/** A running campaign with work due. `limits` are the keys of all limits that it draws on. */
export interface Candidate {
  tenant: string;
  campaign: string;
  weight: number;
  /** Contacts due now (or the most that is worth knowing). */
  due: number;
  /** Ports the campaign holds already. */
  inUse: number;
  limits: readonly string[];
}

/**
 * Shares free ports: between tenants equally, and between a tenant's campaigns by weight, counting the ports that
 * are held already. Each port goes to the tenant, then to the campaign, with the smallest (held + 1/2) / weight:
 * the highest-averages method of Sainte-Laguë, which comes to the same as the largest remainder when many ports are
 * free at once, and unlike it starves nobody when they come free one at a time.
 *
 * Takes any number of candidates and the limits by key; returns how many calls each campaign may start, by its id.
 * Campaigns that get none are left out. The arguments are not changed.
 */
export function sharePorts(
  candidates: readonly Candidate[],
  limits: ReadonlyMap<string, Limit>,
): Map<string, number> {
  const free = new Map([...limits].map(([key, limit]) => [key, limit.free]));
  const heldByTenant = new Map<string, number>();
  for (const c of candidates) heldByTenant.set(c.tenant, (heldByTenant.get(c.tenant) ?? 0) + c.inUse);
  const granted = new Map<string, number>();
  let open = candidates.filter((c) => c.due > 0);
  for (;;) {
    open = open.filter(
      (c) => (granted.get(c.campaign) ?? 0) < c.due && c.limits.every((key) => (free.get(key) ?? 0) >= 1),
    );
    const next = smallest(open, (c) => [
      heldByTenant.get(c.tenant) ?? 0,
      (c.inUse + (granted.get(c.campaign) ?? 0) + 0.5) / c.weight,
    ]);
    if (!next) return granted;
    granted.set(next.campaign, (granted.get(next.campaign) ?? 0) + 1);
    heldByTenant.set(next.tenant, (heldByTenant.get(next.tenant) ?? 0) + 1);
    for (const key of next.limits) free.set(key, (free.get(key) ?? 0) - 1);
  }
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
