import type { Disposition } from '../calls/states.js';
import type { ApiClient, ShownAttempt, ShownCampaign } from './api-client.js';

/** The campaign at one moment. */
export interface Snapshot {
  campaign: ShownCampaign;
  /** Attempts that are over, by what they ended as. */
  byDisposition: Partial<Record<Disposition, number>>;
  /** Calls that somebody answered and that go on. */
  talking: number;
}

/** Looks at a campaign again and again through the API, reading only the attempts that may have changed. */
export function watchCampaign(api: ApiClient, path: string): () => Promise<Snapshot> {
  const byDisposition: Partial<Record<Disposition, number>> = {};
  // Attempts are listed in the order they were made: all up to this one are over, and counted.
  let settled: string | undefined;
  return async () => {
    const [campaign, attempts] = await Promise.all([
      api.get<ShownCampaign>(path),
      api.list<ShownAttempt>(`${path}/attempts`, settled),
    ]);
    const firstOpen = attempts.findIndex(({ state }) => state === 'open');
    const over = firstOpen < 0 ? attempts.length : firstOpen;
    for (const attempt of attempts.slice(0, over)) count(byDisposition, attempt);
    settled = attempts[over - 1]?.id ?? settled;
    const now = { ...byDisposition };
    for (const attempt of attempts.slice(over)) count(now, attempt);
    const talking = attempts.filter(({ state, answered_at }) => state === 'open' && answered_at !== null);
    return { campaign, byDisposition: now, talking: talking.length };
  };
}

function count(counts: Partial<Record<Disposition, number>>, { disposition }: ShownAttempt): void {
  if (disposition) counts[disposition] = (counts[disposition] ?? 0) + 1;
}
