import { edgesOf } from './edges.js';
import { type Problem, problemAt } from './problem.js';
import type { Flow } from './schema.js';

/** What is wrong with the ways between a flow's steps: steps that do not exist, that nothing leads to, or that go round for ever. */
export function checkEdges(flow: Flow): Problem[] {
  return [...checkNames(flow), ...checkReach(flow), ...checkCircles(flow)];
}

function exists(flow: Flow, name: string): boolean {
  return Object.hasOwn(flow.steps, name);
}

function checkNames(flow: Flow): Problem[] {
  const places = [
    { to: flow.start, at: ['start'] },
    ...Object.entries(flow.steps).flatMap(([name, step]) =>
      edgesOf(step).map(({ to, at }) => ({ to, at: ['steps', name, ...at] })),
    ),
  ];
  return places
    .filter(({ to }) => !exists(flow, to))
    .map(({ to, at }) => problemAt(at, `names the step ${to}, which there is not: add it, or name another`));
}

function checkReach(flow: Flow): Problem[] {
  const reached = new Set<string>();
  const next = [flow.start];
  for (let name = next.pop(); name !== undefined; name = next.pop()) {
    if (reached.has(name) || !exists(flow, name)) continue;
    reached.add(name);
    next.push(...edgesOf(flow.steps[name]!).map(({ to }) => to));
  }
  // With a start that there is not, nothing would be reached.
  if (!exists(flow, flow.start)) return [];
  return Object.keys(flow.steps)
    .filter((name) => !reached.has(name))
    .map((name) =>
      problemAt(['steps', name], 'is never reached: let another step lead to it, or take it out'),
    );
}

/**
 * Ways that close a circle in which nobody has to press a key. Without any, the flow ends for a callee who is silent, and from
 * every step: each further step is one that it was not at before.
 */
function checkCircles(flow: Flow): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  const path: string[] = [];
  function visit(name: string): void {
    seen.add(name);
    path.push(name);
    for (const { to, at, needsKey } of edgesOf(flow.steps[name]!)) {
      if (needsKey || !exists(flow, to)) continue;
      if (path.includes(to)) problems.push(circle(['steps', name, ...at], path.slice(path.indexOf(to)), to));
      else if (!seen.has(to)) visit(to);
    }
    path.pop();
  }
  for (const name of Object.keys(flow.steps)) if (!seen.has(name)) visit(name);
  return problems;
}

function circle(at: readonly string[], steps: readonly string[], to: string): Problem {
  const shown = [...steps, to].join(', ');
  return problemAt(
    at,
    `goes round for ever with who presses no key (${shown}): lead to a step that ends, or leave it out to end the call`,
  );
}
