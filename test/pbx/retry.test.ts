import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FarEndCall } from '../../src/lab/far-end-log.js';
import {
  attemptsOf,
  countersOf,
  groupBy,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';

/** The seconds between a contact's attempts, by its code. `max_attempts` is 4. */
const DELAYS: Record<string, { rule: string; delays: number[] }> = {
  486: { rule: 'busy', delays: [1, 3] },
  480: { rule: 'no_answer', delays: [2] },
  503: { rule: 'congestion', delays: [1, 1, 1] },
  603: { rule: 'rejected', delays: [4] },
};
const RETRY = { busy: '1s,3s', no_answer: '2s', congestion: '1s*9', rejected: '4s' };
const FRESH = 200;
const isFresh = ({ number }: { number: string }) => /20[13]$/.test(number);

describeOnAsterisk('retries', () => {
  let line: Line;
  let campaign: string;
  let calls: FarEndCall[];

  beforeAll(async () => {
    line = await startLine();
    const { pool } = line.database;
    const tenant = await insertTenantFixture(pool, { ports: 12, ...toneMessage(3) });
    const again = Object.keys(DELAYS).flatMap((code) => numbersFor(code, 5));
    // Enough people who answer to keep all ports busy until the last retry is due. They stay for 0.7 s and 0.5 s, so
    // that ports come free now and then and not all at once.
    const fresh = Array.from({ length: FRESH }, (_, i) =>
      numbersFor(i % 2 ? '201' : '203', 1, 100 + i),
    ).flat();
    campaign = await insertCampaignFixture(pool, tenant, [...again, ...fresh], {
      retry: RETRY,
      maxAttempts: 4,
    });
    await line.start();
    await untilCompleted(pool, [campaign], 120);
    calls = await line.farEnd.calls();
  });
  afterAll(() => line.stop());

  it.each(Object.entries(DELAYS))(
    'of %s come when their rule says, and no second later',
    (code, { delays }) => {
      const byNumber = groupBy(
        calls.filter((call) => call.number.endsWith(code)),
        (call) => call.number,
      );
      expect(byNumber.size).toBe(5);
      for (const of of byNumber.values()) {
        const waited = of.slice(1).map((call, i) => (call.invitedAt - of[i]!.endedAt!) / 1000);
        expect(waited).toHaveLength(delays.length);
        for (const [i, delay] of delays.entries()) {
          expect(waited[i]).toBeGreaterThanOrEqual(delay);
          expect(waited[i]).toBeLessThanOrEqual(delay + 1);
        }
      }
    },
  );

  it('went before fresh contacts, of which there were some until the end', () => {
    const lastRetry = Math.max(...calls.filter((c) => !isFresh(c)).map((c) => c.invitedAt));
    const after = calls.filter((call) => isFresh(call) && call.invitedAt > lastRetry);
    expect(after.length).toBeGreaterThan(0);
  });

  it('are attempts of the same contact, counted and numbered', async () => {
    const attempts = await attemptsOf(line.database.pool, campaign);
    for (const [number, tries] of groupBy(attempts, (a) => a.number)) {
      const { delays } = DELAYS[number.slice(-3)] ?? { delays: [] };
      expect(tries.map((a) => a.ordinal)).toEqual([1, ...delays.map((_, i) => i + 2)]);
      expect(new Set(tries.map((a) => a.contact_id)).size).toBe(1);
    }
    const { kept, counted } = await countersOf(line.database.pool, campaign);
    expect(kept).toEqual(counted);
    expect(attempts).toHaveLength(calls.length);
  });
});
