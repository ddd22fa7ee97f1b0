import type { TextMessage } from '../calls/flow/spoken.js';
import { fieldsOf, type Values } from '../calls/flow/text.js';
import type { Message } from '../db/messages.js';
import { parseJson } from './body.js';
import { check, pointer } from './check.js';
import { type FieldError, FieldsInvalid } from './problem.js';
import { newTextMessage, previewFields } from './schemas/message.js';
import { type ApiSpeech, checkTextMessage } from './speech.js';

/** Reads and checks a message of text, a JSON document. Throws a FieldsInvalid. */
export async function readTextMessage(
  bytes: Buffer,
  speech: ApiSpeech,
): Promise<{ name: string } & TextMessage> {
  const errors: FieldError[] = [];
  const message = check(newTextMessage, parseJson(bytes), errors, pointer);
  if (!message) throw new FieldsInvalid(errors);
  await checkTextMessage(message, speech);
  return message;
}

/** Reads the fields that a text is to be heard with, a JSON object in a query. Throws a FieldsInvalid. */
export function readPreviewFields(json: string | undefined): Values {
  if (json === undefined) return {};
  const errors: FieldError[] = [];
  const fields = check(previewFields, json, errors, () => '?fields');
  if (!fields) throw new FieldsInvalid(errors);
  const known = Object.entries(fields).filter(([, value]) => value !== null);
  return Object.fromEntries(known.map(([name, value]) => [name, String(value)]));
}

/** The text of a message; null of one that is audio. */
export function textOf({ text, language, voice }: Message): TextMessage | null {
  return text === null ? null : { text, language: language!, voice };
}

/** A message as the API shows it, with the fields that its text needs. */
export function showMessage(message: Message): Message & { fields: string[] } {
  const needed = message.text === null ? [] : fieldsOf(message.text).filter(({ hasDefault }) => !hasDefault);
  return { ...message, fields: [...new Set(needed.map(({ name }) => name))] };
}
