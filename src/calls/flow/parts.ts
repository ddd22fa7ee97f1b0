import type { Flow, Part, Step } from './schema.js';

/** Everything that a step may say. */
export function partsOf(step: Step): readonly Part[] {
  switch (step.type) {
    case 'play':
      return [{ message: step.message }];
    case 'say':
      return step.prompt;
    case 'menu':
      return [...step.prompt, ...(step.no_key ?? []), ...(step.wrong_key ?? [])];
    case 'collect':
      return [...step.prompt, ...(step.no_key ?? []), ...(step.wrong ?? []), ...(step.confirm?.prompt ?? [])];
    case 'record':
    case 'transfer':
      return step.prompt ?? [];
    default:
      return [];
  }
}

/** The ids of all messages that a flow may play, each once. */
export function messagesOf(flow: Flow): string[] {
  const parts = Object.values(flow.steps).flatMap(partsOf);
  return [...new Set(parts.flatMap((part) => ('message' in part ? [part.message] : [])))];
}
