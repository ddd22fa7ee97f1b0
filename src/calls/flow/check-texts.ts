import { type Problem, problemAt } from './problem.js';
import { sayPartProblem } from './say.js';
import type { Flow } from './schema.js';
import { fieldsOf } from './text.js';
import { CALL_NAMES, DIGITS, keptBy, keptNames, placedPartsOf, type Text, textsOf } from './texts.js';

/** What is wrong with the names in a flow's texts, and with those under which it keeps something. */
export function checkTexts(flow: Flow): Problem[] {
  const kept = keptNames(flow);
  return [
    ...textsOf(flow).flatMap((text) => wrongWith(text, kept).map((message) => problemAt(text.at, message))),
    ...checkKept(flow),
    ...checkSays(flow),
  ];
}

function wrongWith(text: Text, kept: ReadonlySet<string>): string[] {
  try {
    const names = new Set(fieldsOf(text.text).map(({ name }) => name));
    return [...names].map((name) => whyNot(name, text, kept)).filter((message) => message !== null);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [error.message];
  }
}

function whyNot(name: string, { spoken, confirms }: Text, kept: ReadonlySet<string>): string | null {
  const ofCall = name.startsWith('call.');
  if (ofCall && !CALL_NAMES.some((known) => name === `call.${known}`)) {
    return `names {${name}}, which is none of ${CALL_NAMES.map((known) => `{call.${known}}`).join(', ')}`;
  }
  if (spoken && (ofCall || name === DIGITS || kept.has(name))) {
    const part = `{"say": "${name === DIGITS ? 'digits' : 'characters'}", "value": "{${name}}"}`;
    return `is spoken before the call, when {${name}} is not known yet: use a say part instead, such as ${part}`;
  }
  if (name === DIGITS && !confirms) {
    return 'names {digits}, which only the confirm of a collect knows: use the name of its save_as';
  }
  return null;
}

function checkSays(flow: Flow): Problem[] {
  return placedPartsOf(flow).flatMap(({ part, at }) => {
    if (!('say' in part)) return [];
    const wrong = sayPartProblem(part, part.language ?? flow.language);
    return wrong === null ? [] : [problemAt([...at, 'say'], wrong)];
  });
}

function checkKept(flow: Flow): Problem[] {
  return Object.entries(flow.steps).flatMap(([step, made]) =>
    keptBy(made)
      .filter(({ name }) => name === DIGITS)
      .map(({ at }) =>
        problemAt(['steps', step, ...at], 'must be another name: {digits} is what a confirm speaks back'),
      ),
  );
}
