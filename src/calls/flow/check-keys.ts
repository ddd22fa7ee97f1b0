import { type Problem, problemAt } from './problem.js';
import type { Flow, Step, StepOf } from './schema.js';

/** Keys that mean two things at once. */
export function checkKeys(flow: Flow): Problem[] {
  return Object.entries(flow.steps).flatMap(([name, step]) => [
    ...checkOwn(['steps', name], step),
    ...(flow.opt_out_key === null ? [] : checkOptOut(['steps', name], step, flow.opt_out_key)),
  ]);
}

function checkOwn(at: readonly string[], step: Step): Problem[] {
  if (step.type === 'record') {
    return step.terminators.flatMap((key, i) =>
      step.terminators.indexOf(key) === i ? [] : [problemAt([...at, 'terminators', i], `names ${key} twice`)],
    );
  }
  if (step.type !== 'collect' || !step.confirm || step.confirm.yes !== step.confirm.no) return [];
  return [problemAt([...at, 'confirm', 'no'], 'must be another key than yes')];
}

/** The opt-out key is heard at any time, so nothing else can be asked with it. */
function checkOptOut(at: readonly string[], step: Step, optOut: string): Problem[] {
  const taken = `is the opt-out key, which ends the call at any time: take another key, or another opt_out_key`;
  return keysOf(step)
    .filter(({ key }) => key === optOut)
    .map((where) => problemAt([...at, ...where.at], taken))
    .concat(step.type === 'collect' && /\d/.test(optOut) ? [ofDigits(at, optOut)] : []);
}

function ofDigits(at: readonly string[], optOut: string): Problem {
  return problemAt(at, `collects digits, and ${optOut} is the opt-out key: make opt_out_key * or #, or null`);
}

function keysOf(step: Step): { key: string; at: (string | number)[] }[] {
  if (step.type === 'menu') return Object.keys(step.keys).map((key) => ({ key, at: ['keys', key] }));
  if (step.type === 'record') return step.terminators.map((key, i) => ({ key, at: ['terminators', i] }));
  return step.type === 'collect' ? keysOfCollect(step) : [];
}

function keysOfCollect({ terminator, confirm }: StepOf<'collect'>): { key: string; at: string[] }[] {
  return [
    ...(terminator === null ? [] : [{ key: terminator, at: ['terminator'] }]),
    ...(confirm
      ? (['yes', 'no'] as const).map((name) => ({ key: confirm[name], at: ['confirm', name] }))
      : []),
  ];
}
