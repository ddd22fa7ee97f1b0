import type { DirectiveKey } from './call-file.js';

const number = { pattern: /^[1-9]\d{0,8}$/, must: 'it must be a number from 1' };

/** What each key's value must look like for Asterisk to take it as it stands: what is longer it cuts without a word. */
const values: Partial<Record<DirectiveKey, { pattern: RegExp; must: string }>> = {
  Channel: { pattern: /^[A-Za-z0-9]+\/./, must: 'it must be technology/destination' },
  // Of a number Asterisk drops spaces, parentheses, "-" and "."; of a name backslashes. Either has room for 79 bytes.
  CallerID: {
    pattern:
      /^(?:(?:(?:"[^"\\<>]{0,79}"|[^"\\<> ][^"\\<>]{0,78}) ?)?<[^"\\<>()[\] .-]{1,79}>|[\d*#+]{1,79})$/,
    must: 'it must be <number> or "name" <number>, each of 79 characters at most, the number without spaces, "(", ")", "-" and "."',
  },
  WaitTime: number,
  MaxRetries: { pattern: /^\d{1,9}$/, must: 'it must be a number from 0' },
  RetryTime: number,
  Account: { pattern: /^.{0,79}$/, must: 'it may have 79 characters at most' },
  Context: { pattern: /^.{1,79}$/, must: 'it must have 1 to 79 characters' },
  Extension: { pattern: /^.{1,79}$/, must: 'it must have 1 to 79 characters' },
  Priority: number,
  Application: { pattern: /^.{1,31}$/, must: 'it must have 1 to 31 characters' },
  Set: { pattern: /^[^=]+=/, must: 'it must be NAME=value' },
};

/** Why a value of `key` cannot go into a call file unchanged (pbx_spool.c, ast_callerid_split, pbx_outgoing_attempt), or null. */
export function refusalOf(key: DirectiveKey, value: string): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
  if (/[\x00-\x1f\x7f]/.test(value)) return 'the value holds a control character or a line break';
  if (/[^\x20-\x7e]/.test(value)) return 'the value holds a character outside printable ASCII';
  if (value !== value.trim()) return 'the value begins or ends with a space, which Asterisk drops';
  if (/^#| #/.test(value))
    return 'a "#" at its start or after a space begins a comment and cannot be escaped';
  const of = values[key];
  return of && !of.pattern.test(value) ? of.must : null;
}
