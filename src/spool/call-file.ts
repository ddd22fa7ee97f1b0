import type { ArchiveStatus } from '../calls/disposition.js';
import { CampanileError } from '../errors.js';
import { refusalOf } from './directive-value.js';

// The format, after pbx/pbx_spool.c of Asterisk:
//
//   file      = *( line LF )             a line of 1,024 bytes with its LF, or more, is skipped whole
//   line      = [ key ":" value ] [ comment ]
//   key       = letters and "_"; upper or lower case; nothing before it and nothing between it and ":"
//   value     = white space around it is dropped; ";" is written "\;"; nothing can escape "#"
//   comment   = ";" to the end of the line, or "#" when it begins the line or follows a space or a tab
//   diary     = lines that Asterisk appends: `StartRetry: <pid> <n> (<seconds since the epoch>)`,
//               DelayedRetry, EndRetry and AbortRetry likewise, and at the very end `Status: <word>`
//
// Asterisk reads "#" before ";", takes the last of a key that is given twice, but every `Set` in turn.

/** The keys that Asterisk 16 to 22 act on, as they are written. `SetVar` is read as `Set`. */
export const DIRECTIVE_KEYS = [
  'Channel',
  'CallerID',
  'WaitTime',
  'MaxRetries',
  'RetryTime',
  'Account',
  'Archive',
  'AlwaysDelete',
  'Early_media',
  'Codecs',
  'Context',
  'Extension',
  'Priority',
  'Application',
  'Data',
  'Set',
] as const;
export type DirectiveKey = (typeof DIRECTIVE_KEYS)[number];

export interface Directive {
  key: DirectiveKey;
  value: string;
}

const DIARY_KEYS = ['StartRetry', 'DelayedRetry', 'EndRetry', 'AbortRetry'] as const;

/** A line that Asterisk appended. `StartRetry` prints the start plus RetryTime, the others the moment itself. */
export interface DiaryEntry {
  key: (typeof DIARY_KEYS)[number];
  pid: number;
  retries: number;
  time: Date;
}

/** What Asterisk sees in a call file. `ignored` are the lines that it logs and skips, by number from 1. */
export interface CallFile {
  directives: Directive[];
  diary: DiaryEntry[];
  status: ArchiveStatus | null;
  ignored: { line: number; reason: string }[];
}

const LINE_LIMIT = 1024;
const canonicalKeys = new Map<string, DirectiveKey>([
  ...DIRECTIVE_KEYS.map((key) => [key.toLowerCase(), key] as const),
  ['setvar', 'Set'],
]);
const diaryKeys = new Map(DIARY_KEYS.map((key) => [key.toLowerCase(), key]));

/**
 * The text of a call file with these directives, in order. Throws a CampanileError (`call_file_refused`) with a reason
 * for what the format cannot carry: control characters, letters outside printable ASCII, a value that Asterisk would
 * trim, cut or read as another, a key it does not know, a line of 1,024 bytes or more.
 */
export function renderCallFile(directives: readonly Directive[]): string {
  return directives.map(renderLine).join('');
}

function renderLine({ key, value }: Directive): string {
  const reason = refusal(key, value);
  if (reason) {
    throw new CampanileError('call_file_refused', `cannot write ${key} into a call file: ${reason}`);
  }
  const line = `${key}: ${value.replaceAll(';', '\\;')}\n`;
  if (line.length >= LINE_LIMIT) {
    throw new CampanileError(
      'call_file_refused',
      `cannot write ${key} into a call file: the line has ${line.length} bytes and Asterisk skips lines of ${LINE_LIMIT} or more`,
    );
  }
  return line;
}

function refusal(key: DirectiveKey, value: string): string | null {
  if (!(DIRECTIVE_KEYS as readonly string[]).includes(key)) return 'Asterisk knows no such directive';
  return refusalOf(key, value);
}

/** Reads a call file as Asterisk does. Never throws: what Asterisk would not understand is in `ignored`. */
export function parseCallFile(text: string): CallFile {
  const file: CallFile = { directives: [], diary: [], status: null, ignored: [] };
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    const ignore = (reason: string) => file.ignored.push({ line: index + 1, reason });
    if (Buffer.byteLength(line) + 1 >= LINE_LIMIT) {
      ignore(`a line of ${LINE_LIMIT} bytes or more`);
      continue;
    }
    const [key, value] = splitLine(line);
    if (key === '' && value === null) continue;
    if (value === null) {
      ignore('no ":"');
    } else if (!readDirective(file, key, value) && !readDiary(file, key, value)) {
      ignore(`"${key}" is not a directive, or its value cannot be read`);
    }
  }
  return file;
}

function readDirective(file: CallFile, name: string, value: string): boolean {
  const key = canonicalKeys.get(name.toLowerCase());
  if (!key || (key === 'Set' && !value.includes('='))) return false;
  file.directives.push({ key, value });
  return true;
}

function readDiary(file: CallFile, name: string, value: string): boolean {
  if (name === 'Status' && /^(Completed|Expired|Failed)$/.test(value)) {
    file.status = value as ArchiveStatus;
    return true;
  }
  const key = diaryKeys.get(name.toLowerCase());
  const [, pid, retries, seconds] = /^(\d{1,10}) (\d{1,10}) \((\d{1,12})\)$/.exec(value) ?? [];
  if (!key || seconds === undefined) return false;
  file.diary.push({
    key,
    pid: Number(pid),
    retries: Number(retries),
    time: new Date(Number(seconds) * 1000),
  });
  return true;
}

// White space is every byte up to 32, and none beyond.
// biome-ignore lint/suspicious/noControlCharactersInRegex: Asterisk trims them
const [BLANKS_BEFORE, BLANKS_BEHIND] = [/^[\x00-\x20]+/, /[\x00-\x20]+$/];

/** Key and value of a line without its comment. The value is null when there is no ":"; then the key is '' on an empty line. */
function splitLine(raw: string): [key: string, value: string | null] {
  const beforeHash = raw.replace(/(^|[ \t])#.*$/s, '$1');
  const line = cutAtSemicolon(beforeHash).replace(BLANKS_BEHIND, '');
  const colon = line.indexOf(':');
  if (colon < 0) return [line, null];
  return [line.slice(0, colon), line.slice(colon + 1).replace(BLANKS_BEFORE, '')];
}

function cutAtSemicolon(line: string): string {
  let kept = '';
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '\\' && line[i + 1] === ';') {
      kept += ';';
      i++;
    } else if (line[i] === ';') {
      return kept;
    } else {
      kept += line[i];
    }
  }
  return kept;
}

/** The value of a directive as Asterisk takes it: the last one given. Undefined when there is none. */
export function directiveOf(file: CallFile, key: Exclude<DirectiveKey, 'Set'>): string | undefined {
  return file.directives.findLast((directive) => directive.key === key)?.value;
}

/**
 * When Asterisk began the call, to the second, or null when the file does not say that it did. `StartRetry` prints the
 * start plus RetryTime. A file without a RetryTime is one that Asterisk made anew when it appended to a name that was
 * just being moved (src/spool/writer.ts): its mtime is the printed time plus RetryTime, which gives RetryTime back.
 */
export function begunAt(file: CallFile, mtime: Date): Date | null {
  const printed = file.diary.findLast((entry) => entry.key === 'StartRetry')?.time.getTime();
  if (printed === undefined) return null;
  const stated = Number(directiveOf(file, 'RetryTime') ?? Number.NaN) * 1000;
  const retryTime = stated > 0 ? stated : Math.max(0, Math.floor(mtime.getTime() / 1000) * 1000 - printed);
  return new Date(printed - retryTime);
}
