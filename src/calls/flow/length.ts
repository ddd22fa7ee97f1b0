import { edgesOf } from './edges.js';
import type { Flow, Part, Step } from './schema.js';

/** Of speech, about; by Asterisk's say files a value takes as long as this. */
const CHARACTERS_PER_SECOND = 15;
const SAID_SECONDS = 3;

/**
 * How many seconds the call of a flow (checked by check.ts) lasts at most for who presses no key, about. `soundSeconds` are
 * those of its messages by id.
 */
export function secondsOf(flow: Flow, soundSeconds: ReadonlyMap<string, number>): number {
  const known = new Map<string, number>();
  function from(name: string): number {
    const found = known.get(name);
    if (found !== undefined) return found;
    const step = flow.steps[name]!;
    const rest = edgesOf(step).flatMap(({ to, needsKey }) => (needsKey ? [] : [from(to)]));
    const seconds = secondsOfStep(step, soundSeconds) + Math.max(0, ...rest);
    known.set(name, seconds);
    return seconds;
  }
  return from(flow.start);
}

function secondsOfStep(step: Step, sounds: ReadonlyMap<string, number>): number {
  const of = (parts: readonly Part[] = []) =>
    parts.reduce((sum, part) => sum + secondsOfPart(part, sounds), 0);
  switch (step.type) {
    case 'play':
      return of([{ message: step.message }]);
    case 'say':
      return of(step.prompt);
    case 'menu':
    case 'collect':
      return (step.repeats + 1) * (of(step.prompt) + step.timeout_seconds) + step.repeats * of(step.no_key);
    case 'record':
      return of(step.prompt) + Math.min(step.silence_seconds ?? step.max_seconds, step.max_seconds);
    case 'transfer':
      return of(step.prompt) + step.ring_seconds;
    default:
      return 0;
  }
}

function secondsOfPart(part: Part, sounds: ReadonlyMap<string, number>): number {
  if ('message' in part) return sounds.get(part.message) ?? SAID_SECONDS;
  return 'text' in part ? part.text.length / CHARACTERS_PER_SECOND : SAID_SECONDS;
}
