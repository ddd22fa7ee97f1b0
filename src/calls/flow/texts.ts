import type { Flow, Part, Step } from './schema.js';
import { fieldsOf } from './text.js';

/** What `{call.NAME}` may stand for: the last key, what the machine detection said, the number called, the how manieth attempt. */
export const CALL_NAMES = ['key', 'machine', 'number', 'attempt'] as const;

/** What the prompt of a `confirm` calls what was pressed. */
export const DIGITS = 'digits';

/** A text of a flow that may name fields. */
export interface Text {
  text: string;
  /** The names of the members that it stands under, from the flow on. */
  at: readonly (string | number)[];
  /** Whether the speech engine speaks it, which is done before the call. */
  spoken: boolean;
  /** Whether it is of a `confirm`, which knows `{digits}`. */
  confirms: boolean;
}

/** A prompt of a step, or another thing that is heard. */
interface Prompt {
  parts: readonly Part[];
  at: readonly string[];
}

/** Every prompt of a step. */
function promptsOf(step: Step): Prompt[] {
  const members = ['prompt', 'no_key', 'wrong_key', 'wrong'] as const;
  const prompts = members.flatMap((name) => {
    const parts = (step as Partial<Record<typeof name, Part[]>>)[name];
    return parts ? [{ parts, at: [name] }] : [];
  });
  if (step.type === 'play') return [{ parts: [{ message: step.message }], at: [] }];
  if (step.type !== 'collect' || !step.confirm) return prompts;
  return [...prompts, { parts: step.confirm.prompt, at: ['confirm', 'prompt'] }];
}

/** Every part of every prompt. */
export function partsOf(flow: Flow): Part[] {
  return Object.values(flow.steps).flatMap((step) => promptsOf(step).flatMap(({ parts }) => parts));
}

/** Every part of every prompt, and where it stands. */
export function placedPartsOf(flow: Flow): { part: Part; at: readonly (string | number)[] }[] {
  return Object.entries(flow.steps).flatMap(([name, step]) =>
    promptsOf(step).flatMap(({ parts, at }) =>
      parts.map((part, i) => ({ part, at: ['steps', name, ...at, i] })),
    ),
  );
}

/** Every text of a flow that may name fields. Of a flow that is checked; else it may be one that cannot be read. */
export function textsOf(flow: Flow): Text[] {
  return Object.entries(flow.steps).flatMap(([name, step]) => {
    const prompts = promptsOf(step).flatMap(({ parts, at }) =>
      parts.flatMap((part, i) => textsOfPart(part, ['steps', name, ...at, i], at[0] === 'confirm')),
    );
    const values = valuesOf(step).map(({ text, at }) => ({
      text,
      at: ['steps', name, ...at],
      spoken: false,
      confirms: false,
    }));
    return [...prompts, ...values];
  });
}

function textsOfPart(part: Part, at: readonly (string | number)[], confirms: boolean): Text[] {
  if ('text' in part) return [{ text: part.text, at: [...at, 'text'], spoken: true, confirms }];
  if ('say' in part) return [{ text: part.value, at: [...at, 'value'], spoken: false, confirms }];
  return [];
}

function valuesOf(step: Step): { text: string; at: (string | number)[] }[] {
  if (step.type === 'branch') return [{ text: step.value, at: ['value'] }];
  if (step.type === 'set')
    return Object.entries(step.values).map(([name, text]) => ({ text, at: ['values', name] }));
  if (step.type !== 'collect' || !step.check) return [];
  const { check } = step;
  if ('equals' in check) return [{ text: check.equals, at: ['check', 'equals'] }];
  if ('one_of' in check) return check.one_of.map((text, i) => ({ text, at: ['check', 'one_of', i] }));
  return [];
}

/** The names under which a flow keeps something during the call. */
export function keptNames(flow: Flow): Set<string> {
  return new Set(Object.values(flow.steps).flatMap((step) => keptBy(step).map(({ name }) => name)));
}

/** What a step keeps, and where it says so. */
export function keptBy(step: Step): { name: string; at: (string | number)[] }[] {
  if (step.type === 'set') return Object.keys(step.values).map((name) => ({ name, at: ['values', name] }));
  if (step.type === 'webhook') return step.save.map((name, i) => ({ name, at: ['save', i] }));
  return 'save_as' in step && step.save_as !== undefined ? [{ name: step.save_as, at: ['save_as'] }] : [];
}

/** Fields that every contact must have: those that the flow names without a default, and that it does not make itself. */
export function neededFields(flow: Flow): string[] {
  const kept = keptNames(flow);
  const names = textsOf(flow)
    .flatMap(({ text }) => fieldsOf(text))
    .filter(
      ({ name, hasDefault }) =>
        !hasDefault && name !== DIGITS && !name.startsWith('call.') && !kept.has(name),
    )
    .map(({ name }) => name);
  return [...new Set(names)].sort();
}

/** Something of the tenant's that a flow names by its id. */
export interface Reference {
  id: string;
  at: readonly (string | number)[];
}

/** The messages that a flow plays. */
export function messagesOf(flow: Flow): Reference[] {
  return Object.entries(flow.steps).flatMap(([name, step]) =>
    promptsOf(step).flatMap(({ parts, at }) =>
      parts.flatMap((part, i) => {
        if (!('message' in part)) return [];
        const member = step.type === 'play' ? [] : [...at, i];
        return [{ id: part.message, at: ['steps', name, ...member, 'message'] }];
      }),
    ),
  );
}

/** The transfer destinations that a flow leads to. */
export function destinationsOf(flow: Flow): Reference[] {
  return Object.entries(flow.steps).flatMap(([name, step]) =>
    step.type === 'transfer' ? [{ id: step.destination, at: ['steps', name, 'destination'] }] : [],
  );
}
