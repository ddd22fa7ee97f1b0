/*
 * Text with fields, as it is spoken, compared and kept:
 *
 *   Dear {first_name|neighbour}, on {date:date} at {time:time} you owe us {amount:money:EUR}.
 *
 *   {name}            the field as it is
 *   {name:format}     written out in the language of the text: src/calls/flow/text-format.ts
 *   {name|default}    the default where the contact has no such field, or an empty one
 *   {{ and }}         braces
 */
import { FORMATS, type Format, formatValue, type Place } from './text-format.js';

/** A field that a text names. */
export interface TextField {
  name: string;
  format: Format | null;
  /** ISO 4217, with the format `money` only. */
  currency: string | null;
  /** Spoken as it is where the field is missing; null when the text names none. */
  fallback: string | null;
}

export type TextPart = string | TextField;

/** What texts may name. */
export type Values = Record<string, string>;

/** A text names a field that is missing or empty, and no default. */
export class MissingField extends Error {
  constructor(readonly field: string) {
    super(`the field "${field}" is missing, and the text names no default: write {${field}|default}`);
  }
}

/** A field does not hold what its format needs. */
export class UnreadableField extends Error {
  constructor(
    readonly field: string,
    /** As it is, cut to 64 characters. */
    readonly value: string,
    readonly rule: string,
  ) {
    super(`the field "${field}" holds ${JSON.stringify(value)}: ${rule}`);
  }
}

const PIECE = /\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g;
const FIELD = /^\{([^{}|:]*)(?::([^{}|:]*)(?::([^{}|:]*))?)?(?:\|([^{}]*))?\}$/;

/** Reads a text. Throws a RangeError with a sentence that says what is wrong with it. */
export function parseText(text: string): TextPart[] {
  const parts: TextPart[] = [];
  for (const [piece] of text.matchAll(PIECE)) {
    const part = piece.length > 2 && piece.startsWith('{') ? parseField(piece) : literal(piece);
    const last = parts.length - 1;
    if (typeof part === 'string' && typeof parts[last] === 'string') parts[last] += part;
    else parts.push(part);
  }
  return parts;
}

function literal(piece: string): string {
  if (piece === '{}') throw new RangeError('{} names no field');
  if (piece === '{' || piece === '}') {
    throw new RangeError(`a "${piece}" has no other: write ${piece}${piece} where a brace is meant`);
  }
  return piece === '{{' ? '{' : piece === '}}' ? '}' : piece;
}

function parseField(piece: string): TextField {
  const [, name, format, currency, fallback] = FIELD.exec(piece) ?? [];
  if (name === undefined) throw new RangeError(`${piece} is not {name:format|default}`);
  if (name.trim() === '') throw new RangeError(`${piece} names no field`);
  if (format !== undefined && !isFormat(format.trim())) {
    throw new RangeError(`${piece} has no format that is known: there are ${FORMATS.join(', ')}`);
  }
  const known = (format?.trim() ?? null) as Format | null;
  if (known === 'money' ? !/^[A-Z]{3}$/.test(currency ?? '') : currency !== undefined) {
    throw new RangeError(
      known === 'money'
        ? `${piece} needs a currency, such as {${name}:money:EUR}`
        : `${piece} has a ":" too many`,
    );
  }
  return { name: name.trim(), format: known, currency: currency ?? null, fallback: fallback ?? null };
}

function isFormat(format: string): format is Format {
  return (FORMATS as readonly string[]).includes(format);
}

/** The fields that a text names, each as often as it does. Throws as `parseText`. */
export function fieldsOf(text: string): { name: string; hasDefault: boolean }[] {
  return parseText(text).flatMap((part) =>
    typeof part === 'string' ? [] : [{ name: part.name, hasDefault: part.fallback !== null }],
  );
}

/**
 * The text with the fields put in. Times that name an offset are told in `timeZone`, all others as they stand. Throws
 * MissingField, UnreadableField, or as `parseText`. In a call, where it is too late for that, `missing` stands for what is
 * missing, and what cannot be read stays as it is.
 */
export function fillText(text: string, values: Values, place: Place & { missing?: string }): string {
  return parseText(text)
    .map((part) => (typeof part === 'string' ? part : fillField(part, values, place)))
    .join('');
}

function fillField(
  { name, format, currency, fallback }: TextField,
  values: Values,
  place: Place & { missing?: string },
): string {
  const value = Object.hasOwn(values, name) ? values[name]!.trim() : '';
  if (value === '') {
    const instead = fallback ?? place.missing;
    if (instead === undefined) throw new MissingField(name);
    return instead;
  }
  if (format === null) return value;
  const formatted = formatValue(value, format, currency, place);
  if ('text' in formatted) return formatted.text;
  if (place.missing !== undefined) return value;
  throw new UnreadableField(name, value.slice(0, 64), formatted.rule);
}
