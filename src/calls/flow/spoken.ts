import { sayProblem } from './say.js';
import type { Flow, Part } from './schema.js';
import { fieldsOf, fillText, UnreadableField, type Values } from './text.js';
import type { Place } from './text-format.js';
import { DIGITS, keptNames, partsOf } from './texts.js';

/** A text as an engine speaks it. */
export interface SpokenText {
  /** Not empty, on one line, without control characters. */
  text: string;
  /** BCP 47, such as `de` or `pt-BR`. */
  language: string;
  /** As the engine calls it; null for the one it takes by itself. */
  voice: string | null;
}

/** A message of text. */
export type TextMessage = SpokenText;

/** Text with its fields, or what was made of it, is longer than can be spoken. */
export class TextTooLong extends Error {}

/** Asterisk cannot say what a field holds as the flow wants it said. */
export class Unsayable extends Error {
  constructor(field: string | null, as: string) {
    super(`${field === null ? 'a value of the flow' : `the field "${field}"`} cannot be said as ${as}`);
  }
}

/** Letters of a text with its fields filled in: some five minutes. */
export const MOST_LETTERS = 4000;

/**
 * What is spoken of a text for one contact; null when nothing is left to say. Throws MissingField, UnreadableField or
 * TextTooLong when it cannot be said to this contact.
 */
export function spokenOf(
  { text, language, voice }: TextMessage,
  values: Values,
  timeZone: string,
): SpokenText | null {
  const filled = oneLine(fillText(text, values, { language, timeZone }));
  if (filled.length > MOST_LETTERS) {
    throw new TextTooLong(
      `the text has ${filled.length} letters with its fields, of ${MOST_LETTERS} at most`,
    );
  }
  return filled === '' ? null : { text: filled, language, voice };
}

/** Line breaks mean a pause to some engines and the end to others; what cannot be written cannot be spoken. */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cs}]+/gu, ' ').trim();
}

/**
 * All that an engine speaks in a flow for one contact, each once: the texts of the flow itself and of the messages of text
 * that it names. `messageOf` knows those, and null of others. Throws as `spokenOf`, and Unsayable for a field that Asterisk
 * cannot say.
 */
export function spokenTexts(
  flow: Flow,
  contact: { fields: Values; timeZone: string },
  messageOf: (id: string) => TextMessage | null,
): SpokenText[] {
  checkSayable(flow, contact.fields, contact.timeZone);
  const texts = new Map<string, SpokenText>();
  for (const part of partsOf(flow)) {
    const message = textOf(part, flow.language, messageOf);
    const spoken = message && spokenOf(message, contact.fields, contact.timeZone);
    if (spoken) texts.set(JSON.stringify([spoken.language, spoken.voice, spoken.text]), spoken);
  }
  return [...texts.values()];
}

/** Of what comes up in the call only, nothing is known yet. */
function checkSayable(flow: Flow, fields: Values, timeZone: string): void {
  const kept = keptNames(flow);
  const isLate = ({ name }: { name: string }) =>
    name === DIGITS || name.startsWith('call.') || kept.has(name);
  for (const part of partsOf(flow)) {
    if (!('say' in part)) continue;
    const named = fieldsOf(part.value);
    if (named.some(isLate)) continue;
    const language = part.language ?? flow.language;
    const problem = sayProblem(
      part,
      fillText(part.value, fields, { language, timeZone }),
      language,
      timeZone,
    );
    if (problem) throw new Unsayable(named[0]?.name ?? null, part.say);
  }
}

/** Of the languages that are `known` (in small letters) the one itself, or without its last parts: `de-AT` is spoken as `de`. */
export function languageFor(language: string, known: readonly string[]): string | null {
  for (let tag = language.toLowerCase(); tag !== ''; tag = tag.replace(/(^|-)[^-]*$/, '')) {
    if (known.includes(tag)) return tag;
  }
  return null;
}

/** Whether anything of a flow is spoken by an engine; `texts` are the messages of text that it names. */
export function speaks(flow: Flow, texts: ReadonlyMap<string, TextMessage>): boolean {
  return texts.size > 0 || partsOf(flow).some((part) => 'text' in part);
}

/** The same of several flows; or, as a sentence without what the contact's fields hold, why nothing can be said to him. */
export function spokenOrWhy(
  flows: readonly Flow[],
  contact: { fields: Values; timeZone: string },
  messageOf: (id: string) => TextMessage | null,
): SpokenText[] | string {
  try {
    return flows.flatMap((flow) => spokenTexts(flow, contact, messageOf));
  } catch (error) {
    if (error instanceof UnreadableField) return `the field "${error.field}" cannot be read: ${error.rule}`;
    return error instanceof Error ? error.message : String(error);
  }
}

/** The text of a part that an engine speaks; null for sounds and for what Asterisk says. */
export function textOf(
  part: Part,
  language: Place['language'],
  messageOf: (id: string) => TextMessage | null,
): TextMessage | null {
  if ('message' in part) return messageOf(part.message);
  if (!('text' in part)) return null;
  return { text: part.text, language: part.language ?? language, voice: part.voice ?? null };
}
