import { expect, it } from 'vitest';
import { renderScenario } from '../../src/lab/sipp-scenario.js';

const scenario = renderScenario({ answerSeconds: 0.25, ringSeconds: 2 });
const labels = [...scenario.matchAll(/<label id="(\w+)"/g)].map((match) => match[1]);

/** What SIPp numbers: every element but labels and references. */
const steps = [...scenario.matchAll(/<(nop|send|recv)\b([^>]*)>/g)].map((match) => match[2]!);

function branchOf(code: number): string | undefined {
  // RECEIVE_INVITE's arithmetic; SIPp takes the `next` of the step before the one it jumps to.
  const step = (code - 180) * 2 + 5;
  const branches = [steps[step - 1]!, steps[step]!].map((attributes) => /next="(\w+)"/.exec(attributes)?.[1]);
  expect(branches[0]).toBe(branches[1]);
  return branches[0];
}

it('jumps to the branch of each code', () => {
  expect([180, 183, 200, 201, 203, 205].map(branchOf)).toEqual([
    'ring',
    'earlyMedia',
    'answer200',
    'answer201',
    'answer203',
    'answer205',
  ]);
  expect([302, 401, 486, 603].map(branchOf)).toEqual(['refuse302', 'refuse401', 'refuse486', 'refuse603']);
});

it('takes a status that SIP does not have for that of its class', () => {
  expect([399, 499, 599, 699].map(branchOf)).toEqual(['refuse300', 'refuse400', 'refuse500', 'refuse600']);
});

it('answers a code below 300 that means nothing', () => {
  expect([181, 199, 204, 299].map(branchOf)).toEqual(Array(4).fill('answer200'));
});

it('names only labels that exist, each once', () => {
  const named = [...scenario.matchAll(/(?:next|ontimeout)="(\w+)"/g)].map((match) => match[1]);
  expect(named.filter((label) => !labels.includes(label))).toEqual([]);
  expect(new Set(labels).size).toBe(labels.length);
});

it('writes seconds as the milliseconds that SIPp wants', () => {
  expect(scenario).toContain('timeout="250" ontimeout="hangUp"');
});

it('stays below the 64 KiB that SIPp 3.6 reads', () => {
  expect(Buffer.byteLength(scenario)).toBeLessThan(65_536);
});
