import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkFlow } from '../../../src/calls/flow/check.js';
import { flowDefinition } from '../../../src/calls/flow/schema.js';

/** A step's kind, and whether each of the ways on that it may name needs a key. Ways below `keys` and `cases` are named so. */
const KINDS: Record<string, Record<string, boolean>> = {
  say: { next: false },
  play: { next: false },
  set: { next: false },
  menu: { 'keys/1': true, 'keys/#': true, on_timeout: false, on_wrong_key: true },
  collect: { next: true, on_timeout: false, on_wrong: true },
  record: { next: false, on_silence: false },
  transfer: { next: false, on_full: false, on_failed: false },
  branch: { 'cases/a': false, 'cases/b': false, otherwise: false },
  webhook: { next: false, on_fail: false },
  opt_out: {},
  hangup: {},
};

const ID = '01900000-0000-7000-8000-000000000000';
const REST: Record<string, object> = {
  say: { prompt: [{ text: 'Hello' }] },
  play: { message: ID },
  set: { values: { kept: 'x' } },
  menu: { prompt: [{ text: 'Press' }] },
  collect: { prompt: [{ text: 'Press' }], max_digits: 4, save_as: 'kept' },
  record: { save_as: 'kept' },
  transfer: { destination: ID },
  branch: { value: 'x' },
  webhook: { url: 'https://example.com/' },
};

/** A step as it is drawn here, apart from how a flow writes it: where each way leads, null for the end of the call. */
interface Node {
  kind: string;
  ways: Record<string, string | null>;
}
type Graph = Record<string, Node>;

const NAMES = ['a', 'b', 'c', 'd', 'e', 'constructor'];

const anyNode = (names: readonly string[]): fc.Arbitrary<Node> =>
  fc.constantFrom(...Object.keys(KINDS)).chain((kind) =>
    fc.record({
      kind: fc.constant(kind),
      ways: fc.record(
        Object.fromEntries(
          Object.keys(KINDS[kind]!).map((way) => [
            way,
            // A menu has a key at least.
            way === 'keys/1'
              ? fc.constantFrom(...names)
              : fc.option(fc.constantFrom(...names), { nil: null }),
          ]),
        ),
      ),
    }),
  );

/** Graphs whose ways lead to steps that there are and, now and then, to one that there is not. */
const anyGraph: fc.Arbitrary<Graph> = fc
  .tuple(fc.integer({ min: 1, max: NAMES.length }), fc.boolean())
  .chain(([count, strays]) => {
    const names = NAMES.slice(0, count);
    const targets = strays ? [...names, 'toString'.toLowerCase(), 'nowhere'] : names;
    return fc.record(
      Object.fromEntries(names.map((name) => [name, anyNode(targets)])),
    ) as fc.Arbitrary<Graph>;
  });

function flowOf(graph: Graph) {
  const steps = Object.entries(graph).map(([name, { kind, ways }]) => {
    const step: Record<string, unknown> = { type: kind, ...structuredClone(REST[kind]) };
    if (kind === 'branch') step.cases = {};
    for (const [way, to] of Object.entries(ways)) {
      if (to === null) continue;
      const [member, key] = way.split('/');
      if (key === undefined) step[member!] = to;
      else step[member!] = { ...(step[member!] as object), [key]: to };
    }
    return [name, step];
  });
  return flowDefinition.parse({ start: 'a', steps: Object.fromEntries(steps) });
}

const has = (graph: Graph, name: string) => Object.hasOwn(graph, name);

/** Whether a callee who is silent can be kept for more steps than there are: then he was at one of them twice. */
function goesRound(graph: Graph, name: string, steps = 0): boolean {
  if (steps > Object.keys(graph).length) return true;
  const { kind, ways } = graph[name]!;
  return Object.entries(ways).some(
    ([way, to]) => to !== null && has(graph, to) && !KINDS[kind]![way] && goesRound(graph, to, steps + 1),
  );
}

/** All that any callee can come to, one step further each time until nothing is new. */
function reachable(graph: Graph): Set<string> {
  let found = new Set(['a']);
  for (;;) {
    const more = new Set(
      [...found].flatMap((name) => [name, ...Object.values(graph[name]!.ways).filter((to) => to !== null)]),
    );
    const known = new Set([...more].filter((name) => has(graph, name)));
    if (known.size === found.size) return found;
    found = known;
  }
}

const messagesOf = (graph: Graph) =>
  checkFlow(flowOf(graph)).map(({ field, message }) => `${field} ${message}`);
const circles = (messages: readonly string[]) =>
  messages.filter((text) => text.includes('goes round for ever'));

describe('a flow, against one who walks it', () => {
  it('passes only when it ends for who presses nothing, wherever he is', () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        const rounds = Object.keys(graph).some((name) => goesRound(graph, name));
        expect(circles(messagesOf(graph)).length > 0).toBe(rounds);
      }),
      { numRuns: 2000 },
    );
  });

  it('names in a circle only steps that lead to one another, without a key', () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        for (const text of circles(messagesOf(graph))) {
          const steps = /\((.*)\)/.exec(text)![1]!.split(', ');
          expect(steps[0]).toBe(steps.at(-1));
          steps.slice(1).forEach((to, i) => {
            const { kind, ways } = graph[steps[i]!]!;
            expect(Object.entries(ways).some(([way, at]) => at === to && !KINDS[kind]![way])).toBe(true);
          });
          const [, from, way] = /^\/steps\/(\w+)\/(\S+)/.exec(text)!;
          expect([from, graph[from!]!.ways[way!]]).toEqual([steps.at(-2), steps.at(-1)]);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('names exactly the steps that nobody comes to', () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        const found = reachable(graph);
        const lost = Object.keys(graph).filter((name) => !found.has(name));
        const named = messagesOf(graph).flatMap(
          (text) => /^\/steps\/(\w+) is never reached/.exec(text)?.[1] ?? [],
        );
        expect(named.sort()).toEqual(lost.sort());
      }),
      { numRuns: 1000 },
    );
  });

  it('names exactly the ways that lead to no step', () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        const strays = Object.entries(graph).flatMap(([name, { ways }]) =>
          Object.entries(ways)
            .filter(([, to]) => to !== null && !has(graph, to))
            .map(([way]) => `/steps/${name}/${way}`),
        );
        const named = checkFlow(flowOf(graph)).flatMap(({ field, message }) =>
          message.startsWith('names the step') ? [field] : [],
        );
        expect(named.sort()).toEqual(strays.sort());
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused for nothing else', () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        for (const text of messagesOf(graph)) {
          expect(text).toMatch(/goes round for ever|is never reached|names the step/);
        }
      }),
    );
  });
});
