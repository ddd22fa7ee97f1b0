import { expect, it } from 'vitest';
import type { Component, Fault } from '../../chaos/fault.js';
import { FAULTS } from '../../chaos/faults/index.js';
import { mayOverlap, plan, type Step } from '../../chaos/plan.js';

const fault = (kind: string, component: Component, needs: Component[] = []): Fault => ({
  kind,
  component,
  needs,
  seconds: 5,
  inject: async () => {},
});

const THREE = [fault('a', 'campanile'), fault('b', 'asterisk'), fault('c', 'asterisk')];

function first(count: number, faults: readonly Fault[], seed: number): Step[] {
  const steps: Step[] = [];
  for (const step of plan(faults, seed)) if (steps.push(step) === count) break;
  return steps;
}

const kindsOf = (steps: Step[]) => steps.map(({ faults }) => faults.map(({ kind }) => kind));

it('is the same for the same seed, and another for another', () => {
  expect(first(100, THREE, 7)).toEqual(first(100, THREE, 7));
  expect(kindsOf(first(100, THREE, 7))).not.toEqual(kindsOf(first(100, THREE, 8)));
});

it('begins with each kind once, alone', () => {
  for (const seed of [1, 2, 3]) {
    const kinds = kindsOf(first(FAULTS.length, FAULTS, seed));
    expect(kinds.map(([kind]) => kind).sort()).toEqual(FAULTS.map(({ kind }) => kind).sort());
    expect(kinds.every((step) => step.length === 1)).toBe(true);
  }
});

it('has two at a time now and then, never of what the other breaks or needs', () => {
  const pairs = first(300, [...THREE, fault('d', 'agi', ['asterisk'])], 1).filter(
    (step) => step.faults.length > 1,
  );
  expect(pairs.length).toBeGreaterThan(10);
  const seen = new Set(kindsOf(pairs).map((kinds) => kinds.toSorted().join('')));
  expect([...seen].sort()).toEqual(['ab', 'ac', 'ad']);
});

it('knows what may overlap', () => {
  expect(mayOverlap(THREE[0]!, THREE[1]!)).toBe(true);
  expect(mayOverlap(THREE[1]!, THREE[2]!)).toBe(false);
  expect(mayOverlap(fault('d', 'agi', ['asterisk']), THREE[1]!)).toBe(false);
  expect(mayOverlap(THREE[1]!, fault('d', 'agi', ['asterisk']))).toBe(false);
});

it('has no two faults of one name', () => {
  expect(new Set(FAULTS.map(({ kind }) => kind)).size).toBe(FAULTS.length);
});
