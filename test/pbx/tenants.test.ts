import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FarEndCall, maxConcurrent } from '../../src/lab/far-end-log.js';
import {
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';

interface Plan {
  ports: number;
  campaigns: { callerId: string; weight: number; contacts: number }[];
}

const PLANS: Plan[] = [
  {
    ports: 8,
    campaigns: [
      { callerId: '+12125550111', weight: 1, contacts: 20 },
      { callerId: '+12125550112', weight: 3, contacts: 60 },
    ],
  },
  {
    ports: 6,
    campaigns: [
      { callerId: '+12125550121', weight: 1, contacts: 30 },
      { callerId: '+12125550122', weight: 1, contacts: 30 },
    ],
  },
];

describeOnAsterisk('two tenants with two campaigns each', () => {
  let line: Line;
  let calls: FarEndCall[];
  const campaignIds: string[][] = [];

  beforeAll(async () => {
    line = await startLine();
    const { pool } = line.database;
    for (const [i, { ports, campaigns }] of PLANS.entries()) {
      // Longer than the far end stays: it always hangs up itself, so its log has the true end of each call.
      const tenant = await insertTenantFixture(pool, { ports, ...toneMessage(3) });
      const ids = campaigns.map(({ callerId, weight, contacts }, j) => {
        const numbers = numbersFor('201', contacts, 1000 * (2 * i + j));
        return insertCampaignFixture(pool, tenant, numbers, { weight, callerId });
      });
      campaignIds.push(await Promise.all(ids));
    }
    await line.start();
    await untilCompleted(pool, campaignIds.flat(), 120);
    calls = await line.farEnd.calls();
  });
  afterAll(() => line.stop());

  const callsOf = ({ campaigns }: Plan) =>
    calls.filter((call) => campaigns.some(({ callerId }) => callerId === call.from));

  it('never pass the ports of a tenant, as the far end sees it, and use them all', () => {
    for (const plan of PLANS) {
      const mine = callsOf(plan);
      expect(mine).toHaveLength(plan.campaigns.reduce((sum, { contacts }) => sum + contacts, 0));
      expect(maxConcurrent(mine)).toBe(plan.ports);
    }
  });

  it('move from the first second, each campaign by its weight', () => {
    for (const plan of PLANS) {
      const mine = callsOf(plan);
      const weights = plan.campaigns.reduce((sum, { weight }) => sum + weight, 0);
      const first = mine.slice(0, plan.ports);
      for (const { callerId, weight } of plan.campaigns) {
        const ofCampaign = first.filter((call) => call.from === callerId);
        expect(ofCampaign).toHaveLength((plan.ports * weight) / weights);
        expect(ofCampaign.at(-1)!.invitedAt - calls[0]!.invitedAt).toBeLessThan(1000);
      }
    }
  });

  it('share the ports by weight for as long as both have contacts left', () => {
    for (const plan of PLANS) {
      const mine = callsOf(plan);
      const weights = plan.campaigns.reduce((sum, { weight }) => sum + weight, 0);
      const half = mine.slice(0, mine.length / 2);
      for (const { callerId, weight } of plan.campaigns) {
        const share = half.filter((call) => call.from === callerId).length;
        // Of the calls that are up each campaign has its share to the call; half of the calls may be cut off anywhere
        // in a round of these.
        expect(Math.abs(share - (half.length * weight) / weights)).toBeLessThanOrEqual(2);
      }
    }
  });

  it('end all as answered', async () => {
    for (const id of campaignIds.flat()) {
      const attempts = await attemptsOf(line.database.pool, id);
      expect(new Set(attempts.map((a) => `${a.disposition} ${a.hung_up_by}`))).toEqual(
        new Set(['answered callee']),
      );
    }
  });
});
