/** So many trunks have series of their own; what is dialled on further ones is told together, as `other`. */
export const MOST_TRUNKS = 1000;

/** The label of a trunk: its id, for the first MOST_TRUNKS that are asked for, so that no scrape grows without end. */
export function createTrunkLabels(most = MOST_TRUNKS): (trunkId: string) => string {
  const known = new Set<string>();
  return (trunkId) => {
    if (known.has(trunkId)) return trunkId;
    if (known.size >= most) return 'other';
    known.add(trunkId);
    return trunkId;
  };
}
