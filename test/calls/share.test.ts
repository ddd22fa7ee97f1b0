import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, type Group, sharePorts, type Way } from '../../src/calls/share.js';

const way = (trunk: string, ...limits: string[]): Way => ({ trunk, limits: [trunk, ...limits] });
const group = (due: number, ...ways: Way[]): Group => ({ trunkFrom: 1, due, ways });
/** With 100 contacts due, on a trunk without limits. */
const candidate = (campaign: string, over: Partial<Candidate> & { due?: number } = {}): Candidate => {
  const { due = 100, ...others } = over;
  const groups = [group(due, { trunk: 'trunk', limits: [] })];
  return { tenant: 't', campaign, weight: 1, groups, inUse: 0, limits: ['node'], ...others };
};
const limits = (free: Record<string, number>) =>
  new Map(Object.entries(free).map(([k, v]) => [k, { free: v }]));
/** How many each campaign gets, on all trunks. */
const shares = (candidates: Candidate[], free: Record<string, number>) => {
  const sums: Record<string, number> = {};
  for (const { campaign, count } of sharePorts(candidates, limits(free)))
    sums[campaign] = (sums[campaign] ?? 0) + count;
  return sums;
};

describe('sharing free ports', () => {
  it('gives campaigns of a tenant their part by weight', () => {
    expect(shares([candidate('a', { weight: 3 }), candidate('b')], { node: 20 })).toEqual({ a: 15, b: 5 });
  });

  it('gives tenants equal parts, however many campaigns they have', () => {
    const few = shares(
      [candidate('a', { tenant: 'x' }), candidate('b', { tenant: 'x' }), candidate('c', { tenant: 'y' })],
      { node: 20 },
    );
    expect(few).toEqual({ a: 5, b: 5, c: 10 });
  });

  it('passes on what one cannot use', () => {
    expect(shares([candidate('a', { due: 2 }), candidate('b')], { node: 10 })).toEqual({ a: 2, b: 8 });
    expect(shares([candidate('a', { limits: ['node', 'a'] }), candidate('b')], { node: 10, a: 3 })).toEqual({
      a: 3,
      b: 7,
    });
  });

  it('starves nobody when ports come free one at a time', () => {
    const held = { a: 0, b: 0 };
    const got = { a: 0, b: 0 };
    for (let i = 0; i < 1100; i++) {
      const [winner] = Object.keys(
        shares([candidate('a', { weight: 10, inUse: held.a }), candidate('b', { inUse: held.b })], {
          node: 1,
        }),
      ) as ['a' | 'b'];
      got[winner] += 1;
      held[winner] += 1;
      // Of eleven ports, each comes free in turn, as calls of equal length do.
      if (i >= 10) held[i % 11 === 0 ? 'b' : 'a'] = Math.max(0, held[i % 11 === 0 ? 'b' : 'a'] - 1);
    }
    expect(got.b).toBeGreaterThan(50);
    expect(got.a).toBeGreaterThan(got.b * 5);
  });

  describe('between the trunks of a campaign', () => {
    const both = [way('first'), way('second')];

    it('takes the first in order while it has ports, then the next', () => {
      const one = candidate('a', { groups: [group(5, ...both)] });
      expect(sharePorts([one], limits({ node: 10, first: 3, second: 9 }))).toEqual([
        { campaign: 'a', trunkFrom: 1, trunk: 'first', count: 3 },
        { campaign: 'a', trunkFrom: 1, trunk: 'second', count: 2 },
      ]);
    });

    it('gives who fails over the further trunks before anybody else, and keeps nobody behind who waits for one', () => {
      const groups = [{ ...group(4, way('second')), trunkFrom: 2 }, group(5, ...both)];
      expect(sharePorts([candidate('a', { groups })], limits({ node: 10, first: 2, second: 3 }))).toEqual([
        { campaign: 'a', trunkFrom: 2, trunk: 'second', count: 3 },
        { campaign: 'a', trunkFrom: 1, trunk: 'first', count: 2 },
      ]);
    });

    it('passes no limit that campaigns share in different orders', () => {
      const a = candidate('a', { groups: [group(9, way('x', 'pbx'), way('y', 'pbx'))] });
      const b = candidate('b', { groups: [group(9, way('y', 'pbx'), way('x', 'pbx'))] });
      expect(sharePorts([a, b], limits({ node: 99, x: 2, y: 4, pbx: 5 }))).toEqual([
        { campaign: 'a', trunkFrom: 1, trunk: 'x', count: 2 },
        { campaign: 'a', trunkFrom: 1, trunk: 'y', count: 1 },
        { campaign: 'b', trunkFrom: 1, trunk: 'y', count: 2 },
      ]);
    });

    it('gives nothing without a trunk', () => {
      expect(sharePorts([candidate('a', { groups: [group(5)] })], limits({ node: 10 }))).toEqual([]);
    });
  });

  it('never passes a limit and leaves no port free that somebody could use', () => {
    const trunks = ['x', 'y', 'z'];
    const order = fc.shuffledSubarray(trunks, { minLength: 0 });
    const anyCandidate = fc.record({
      tenant: fc.constantFrom('t', 'u', 'v'),
      weight: fc.integer({ min: 1, max: 5 }),
      waiting: fc.array(fc.record({ due: fc.integer({ min: 0, max: 15 }), order }), { maxLength: 3 }),
      inUse: fc.integer({ min: 0, max: 10 }),
    });
    const few = fc.integer({ min: 0, max: 10 });
    fc.assert(
      fc.property(
        fc.array(anyCandidate, { maxLength: 8 }),
        fc.integer({ min: 0, max: 30 }),
        fc.record({ t: few, u: few, v: few, x: few, y: few, z: few, pbx: few }),
        (some, node, others) => {
          const free: Record<string, number> = { node, ...others };
          const all = some.map(({ waiting, ...c }, i) => ({
            ...c,
            campaign: `c${i}`,
            limits: ['node', c.tenant],
            // Two of the trunks lead to the same PBX trunk.
            groups: waiting.map(({ due, order }, n) => ({
              trunkFrom: waiting.length - n,
              due,
              ways: order.map((trunk) => way(trunk, ...(trunk === 'z' ? [] : ['pbx']))),
            })),
          }));
          const left = { ...free };
          const waiting = new Map(
            all.flatMap((c) => c.groups.map((g) => [`${c.campaign} ${g.trunkFrom}`, g.due])),
          );
          for (const { campaign, trunkFrom, trunk, count } of sharePorts(all, limits(free))) {
            const c = all.find((one) => one.campaign === campaign)!;
            const taken = c.groups
              .find((g) => g.trunkFrom === trunkFrom)!
              .ways.find((w) => w.trunk === trunk)!;
            for (const key of [...c.limits, ...taken.limits]) left[key]! -= count;
            const key = `${campaign} ${trunkFrom}`;
            waiting.set(key, waiting.get(key)! - count);
          }
          expect(Math.min(...Object.values(left), ...waiting.values())).toBeGreaterThanOrEqual(0);
          for (const c of all) {
            for (const g of c.groups.filter((one) => waiting.get(`${c.campaign} ${one.trunkFrom}`)! > 0)) {
              const could = g.ways.some((w) => [...c.limits, ...w.limits].every((key) => left[key]! >= 1));
              expect(could).toBe(false);
            }
          }
        },
      ),
    );
  });
});
