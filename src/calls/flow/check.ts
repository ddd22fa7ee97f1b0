import { checkEdges } from './check-edges.js';
import { checkKeys } from './check-keys.js';
import { checkTexts } from './check-texts.js';
import { type Problem, problemAt } from './problem.js';
import type { Flow, Step, StepOf } from './schema.js';

export const MOST_STEPS = 200;
/** As JSON, in characters: every call of the flow holds it. */
export const MOST_CHARACTERS = 100_000;

/**
 * What is wrong with a flow whose shape (schema.ts) is right; empty when it may be saved. A flow that passes ends for whoever
 * presses no key, from whatever step. Whether what it names by id exists is for others to look up.
 */
export function checkFlow(flow: Flow): Problem[] {
  const size = checkSize(flow);
  // What is too large to be held is not worth reading on.
  if (size.length > 0) return size;
  return [
    ...checkEdges(flow),
    ...checkKeys(flow),
    ...Object.entries(flow.steps).flatMap(([name, step]) => checkStep(name, step)),
    ...checkTexts(flow),
  ];
}

function checkSize(flow: Flow): Problem[] {
  const steps = Object.keys(flow.steps).length;
  const tooMany = `has ${steps} steps, and may have ${MOST_STEPS}: make two flows of it`;
  if (steps > MOST_STEPS) return [problemAt(['steps'], tooMany)];
  const characters = JSON.stringify(flow).length;
  const tooLong = `is ${characters} characters long as JSON, and may have ${MOST_CHARACTERS}: shorten its texts`;
  return characters > MOST_CHARACTERS ? [problemAt([], tooLong)] : [];
}

function checkStep(name: string, step: Step): Problem[] {
  const at = ['steps', name];
  if (step.type === 'menu' && Object.keys(step.keys).length === 0) {
    return [problemAt([...at, 'keys'], 'is empty: name at least one key, or make it a say')];
  }
  return step.type === 'collect' ? checkCollect(at, step) : [];
}

function checkCollect(at: readonly string[], step: StepOf<'collect'>): Problem[] {
  const { min_digits: least, max_digits: most, check } = step;
  if (least > most) return [problemAt([...at, 'min_digits'], `must be at most max_digits, which is ${most}`)];
  if (!check) return [];
  if ('at_least' in check) {
    const message = `must be at most at_most, which is ${check.at_most}`;
    return check.at_least > check.at_most ? [problemAt([...at, 'check', 'at_least'], message)] : [];
  }
  const values = 'equals' in check ? [check.equals] : check.one_of;
  return values.flatMap((value, i) => {
    if (value.includes('{') || (/^\d+$/.test(value) && value.length >= least && value.length <= most))
      return [];
    const where = 'equals' in check ? ['equals'] : ['one_of', i];
    const lengths = least === most ? `${most}` : `${least} to ${most}`;
    return [problemAt([...at, 'check', ...where], `can never be pressed: it must be ${lengths} digits`)];
  });
}
