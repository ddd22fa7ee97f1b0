import { problemAt } from '../calls/flow/problem.js';
import type { Flow } from '../calls/flow/schema.js';
import {
  languageFor,
  type SpokenText,
  spokenOf,
  type TextMessage,
  TextTooLong,
} from '../calls/flow/spoken.js';
import { fieldsOf, MissingField, UnreadableField, type Values } from '../calls/flow/text.js';
import { placedPartsOf } from '../calls/flow/texts.js';
import { CampanileError } from '../errors.js';
import { type FieldError, FieldsInvalid } from './problem.js';

/** What an engine can speak; null where only the engine knows. */
export type Voices = {
  languages: { language: string; name: string }[];
  voices: { voice: string; name: string; gender: 'male' | 'female' | null }[];
} | null;

/** The speech engine as the API uses it. Throws a CampanileError `speech_missing` or `speech_failed`. */
export interface ApiSpeech {
  /** Its name. */
  engine: string;
  voices(): Promise<Voices>;
  /** A WAV file of 8 kHz. */
  speak(text: SpokenText): Promise<Buffer>;
}

export const NO_SPEECH: ApiSpeech = {
  engine: 'none',
  voices: () => Promise.reject(new CampanileError('speech_missing', 'there is no speech engine here')),
  speak: () => Promise.reject(new CampanileError('speech_missing', 'there is no speech engine here')),
};

/** Throws a FieldsInvalid for a text that cannot be read, or a language or voice that the engine does not have. */
export async function checkTextMessage(message: TextMessage, speech: ApiSpeech): Promise<void> {
  const errors = [
    ...whyUnreadable(message.text).map((text) => ({ field: '/text', message: text })),
    ...whyUnspoken(message, await speech.voices(), speech.engine, []),
  ];
  if (errors.length > 0) throw new FieldsInvalid(errors);
}

/** The same for the languages and voices of a flow's texts. A flow without any needs no engine. */
export async function checkFlowVoices(flow: Flow, speech: ApiSpeech): Promise<void> {
  const parts = placedPartsOf(flow).flatMap(({ part, at }) => ('text' in part ? [{ part, at }] : []));
  if (parts.length === 0) return;
  const voices = await speech.voices();
  const errors = parts.flatMap(({ part, at }) => {
    const text = { language: part.language ?? flow.language, voice: part.voice ?? null };
    return whyUnspoken(text, voices, speech.engine, ['definition', ...at]);
  });
  if (errors.length > 0) throw new FieldsInvalid(errors);
}

function whyUnreadable(text: string): string[] {
  try {
    fieldsOf(text);
    return [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [error.message];
  }
}

function whyUnspoken(
  { language, voice }: Pick<TextMessage, 'language' | 'voice'>,
  known: Voices,
  engine: string,
  at: readonly (string | number)[],
): FieldError[] {
  if (known === null) return [];
  const errors: FieldError[] = [];
  const tags = known.languages.map((one) => one.language);
  if (languageFor(language, tags) === null) {
    errors.push(problemAt([...at, 'language'], `${engine} does not speak ${language}: see GET /v1/voices`));
  }
  if (voice !== null && !known.voices.some((one) => one.voice === voice)) {
    errors.push(problemAt([...at, 'voice'], `${engine} has no voice ${voice}: see GET /v1/voices`));
  }
  return errors;
}

/** What is spoken of a text with these fields. Throws a FieldsInvalid where there is nothing to speak. */
export function spokenWith(message: TextMessage, fields: Values, timeZone: string): SpokenText {
  try {
    const spoken = spokenOf(message, fields, timeZone);
    if (spoken) return spoken;
    throw new FieldsInvalid([{ field: '?fields', message: 'leave nothing to say' }]);
  } catch (error) {
    if (error instanceof MissingField || error instanceof UnreadableField || error instanceof TextTooLong)
      throw new FieldsInvalid([{ field: '?fields', message: error.message }]);
    throw error;
  }
}
