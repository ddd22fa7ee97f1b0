import type { Step } from './schema.js';

/** What leads from a step to another one. */
export interface Edge {
  to: string;
  /** The names of the members that say so, from the step on. */
  at: readonly string[];
  /** Whether it is taken only when a key was pressed. */
  needsKey: boolean;
}

/** Everything that leads from a step to others, in the order of its members. What is not named ends the call. */
export function edgesOf(step: Step): Edge[] {
  switch (step.type) {
    case 'menu':
      return [
        ...named('keys', step.keys, true),
        ...member(step, 'on_timeout'),
        ...member(step, 'on_wrong_key', true),
      ];
    case 'collect':
      return [
        ...member(step, 'next', true),
        ...member(step, 'on_timeout'),
        ...member(step, 'on_wrong', true),
      ];
    case 'record':
      return [...member(step, 'next'), ...member(step, 'on_silence')];
    case 'transfer':
      return [...member(step, 'next'), ...member(step, 'on_full'), ...member(step, 'on_failed')];
    case 'branch':
      return [...named('cases', step.cases, false), ...member(step, 'otherwise')];
    case 'webhook':
      return [...member(step, 'next'), ...member(step, 'on_fail')];
    case 'play':
    case 'say':
    case 'set':
      return member(step, 'next');
    case 'opt_out':
    case 'hangup':
      return [];
  }
}

function member<N extends string>(step: Partial<Record<N, string>>, name: N, needsKey = false): Edge[] {
  const to = step[name];
  return to === undefined ? [] : [{ to, at: [name], needsKey }];
}

function named(name: string, steps: Partial<Record<string, string>>, needsKey: boolean): Edge[] {
  return Object.entries(steps).map(([key, to]) => ({ to: to!, at: [name, key], needsKey }));
}
