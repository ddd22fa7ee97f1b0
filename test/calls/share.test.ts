import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, sharePorts } from '../../src/calls/share.js';

const candidate = (campaign: string, over: Partial<Candidate> = {}): Candidate => ({
  tenant: 't',
  campaign,
  weight: 1,
  due: 100,
  inUse: 0,
  limits: ['node'],
  ...over,
});
const limits = (free: Record<string, number>) =>
  new Map(Object.entries(free).map(([k, v]) => [k, { free: v }]));
const shares = (candidates: Candidate[], free: Record<string, number>) =>
  Object.fromEntries(sharePorts(candidates, limits(free)));

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
      const [winner] = sharePorts(
        [candidate('a', { weight: 10, inUse: held.a }), candidate('b', { inUse: held.b })],
        limits({ node: 1 }),
      ).keys() as unknown as ['a' | 'b'];
      got[winner] += 1;
      held[winner] += 1;
      // Of eleven ports, each comes free in turn, as calls of equal length do.
      if (i >= 10) held[i % 11 === 0 ? 'b' : 'a'] = Math.max(0, held[i % 11 === 0 ? 'b' : 'a'] - 1);
    }
    expect(got.b).toBeGreaterThan(50);
    expect(got.a).toBeGreaterThan(got.b * 5);
  });

  it('never passes a limit and leaves no port free that somebody could use', () => {
    const anyCandidate = fc.record({
      tenant: fc.constantFrom('x', 'y', 'z'),
      weight: fc.integer({ min: 1, max: 5 }),
      due: fc.integer({ min: 0, max: 20 }),
      inUse: fc.integer({ min: 0, max: 10 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyCandidate, { maxLength: 8 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 0, max: 10 }),
        (some, node, tenant) => {
          const all = some.map((c, i) => ({ ...c, campaign: `c${i}`, limits: ['node', c.tenant] }));
          const granted = sharePorts(all, limits({ node, x: tenant, y: tenant, z: tenant }));
          const of = (t?: string) =>
            all
              .filter((c) => !t || c.tenant === t)
              .reduce((sum, c) => sum + (granted.get(c.campaign) ?? 0), 0);
          expect(of()).toBeLessThanOrEqual(node);
          for (const t of ['x', 'y', 'z']) expect(of(t)).toBeLessThanOrEqual(tenant);
          for (const c of all) {
            const got = granted.get(c.campaign) ?? 0;
            expect(got).toBeLessThanOrEqual(c.due);
            if (got < c.due) expect(of() === node || of(c.tenant) === tenant).toBe(true);
          }
        },
      ),
    );
  });
});
