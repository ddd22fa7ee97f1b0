import { until } from '../lab/condition.js';
import type { FarEndCall } from '../lab/far-end-log.js';
import type { ApiClient, ShownAttempt, ShownCampaign, ShownContact } from './api-client.js';
import type { DemoContact } from './kinds.js';
import { measure } from './measures.js';
import type { DemoPbx } from './pbx.js';
import type { Results } from './summary.js';
import { type ContactResult, judge } from './verdict.js';

const LAST_BYE_MS = 5_000;

/** Reads what the API and the far end say when the campaign is over, and compares it with what was to be. */
export async function collectResults(options: {
  api: ApiClient;
  path: string;
  contacts: readonly DemoContact[];
  pbx: DemoPbx;
  ports: number;
}): Promise<Results> {
  const { api, path, contacts, pbx, ports } = options;
  const [campaign, found, attempts] = await Promise.all([
    api.get<ShownCampaign>(path),
    api.list<ShownContact>(`${path}/contacts`),
    api.list<ShownAttempt>(`${path}/attempts`),
  ]);
  const calls = await settledCalls(pbx);
  const verdict = judge(
    contacts,
    resultsOf(found, attempts),
    calls.map(({ number }) => number),
  );
  const measures = measure(campaign, attempts, calls, ports);
  if (measures.most > ports) {
    verdict.differences.push(`the far end had ${measures.most} calls at once, with ${ports} ports`);
  }
  return { campaign, attempts, ports, measures, verdict };
}

/** What the far end saw, once the last BYE has reached it. */
async function settledCalls(pbx: DemoPbx): Promise<FarEndCall[]> {
  const over = async () => (await pbx.calls()).every(({ endedAt }) => endedAt !== null);
  await until(over, { timeoutMs: LAST_BYE_MS, everyMs: 50 });
  return pbx.calls();
}

function resultsOf(contacts: readonly ShownContact[], attempts: readonly ShownAttempt[]): ContactResult[] {
  const attemptsOf = new Map<string, ShownAttempt[]>(contacts.map(({ id }) => [id, []]));
  for (const attempt of attempts) attemptsOf.get(attempt.contact_id)?.push(attempt);
  return contacts.map(({ id, number, state }) => ({
    number,
    state,
    dispositions: (attemptsOf.get(id) ?? [])
      .toSorted((a, b) => a.ordinal - b.ordinal)
      .map(({ disposition }) => disposition),
  }));
}
