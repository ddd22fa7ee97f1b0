// How Asterisk 16 to 22 reads a call file: written from a description of what apply_outgoing() and parse_line() of
// pbx/pbx_spool.c, and what they hand values to, do; without a line of theirs, and without our own reader. Texts are of bytes
// (latin1). test/pbx/call-files.test.ts holds it against the real Asterisk.

/** What Asterisk complains of, by the number of the line as it counts them. */
export interface Complaint {
  line: number;
  what:
    | 'long line'
    | 'no colon'
    | 'unknown keyword'
    | 'no slash'
    | 'no equals sign'
    | 'no number'
    /** A line that begins with NUL: Asterisk reads what lies before its buffer, so nobody can tell. */
    | 'undefined';
}

/** What Asterisk understood of a call file. */
export interface SpooledCall {
  /** Every line that has an effect or is a complaint, in order: its key in small letters, its value before any conversion. */
  directives: { line: number; key: string; value: string }[];
  complaints: Complaint[];
  /** Whether it dials: neither refused for what is missing, nor expired because of `Retry` lines, nor its own of now. */
  dials: boolean;
  tech: string;
  dest: string;
  application: string;
  data: string;
  context: string;
  extension: string;
  priority: number;
  callerName: string;
  callerNumber: string;
  account: string;
  /** Name and value as given, in order. */
  variables: [name: string, value: string][];
  codecs: string[];
  maxRetries: number;
  retryTime: number;
  waitTime: number;
  /** Tries before this one. */
  retries: number;
  callingPid: number;
  archive: boolean;
  alwaysDelete: boolean;
  earlyMedia: boolean;
  /** Values that Asterisk cuts without a word because they are longer than where it puts them: their keys. */
  cut: string[];
}

/** fgets() into 1,024 bytes leaves one for the NUL. */
const MOST_READ = 1023;
/** What the call's own fields hold: AST_MAX_CONTEXT, AST_MAX_EXTENSION and AST_MAX_APP, each less its NUL. */
const MOST = { context: 79, extension: 79, application: 31, caller: 79 };

/** Reads the bytes of a call file as Asterisk does, whose process id is `pid`. Never throws. */
export function parseCallFile(bytes: Uint8Array, pid = 0): SpooledCall {
  const call = emptyCall();
  for (const { line, text } of linesOf(Buffer.from(bytes).toString('latin1'), call.complaints)) {
    const read = keyAndValue(text);
    if (read === null) call.complaints.push({ line, what: 'no colon' });
    else if (read !== 'nothing') apply(call, line, read.key, read.value);
  }
  const named = call.tech !== '' && call.dest !== '' && (call.application !== '' || call.extension !== '');
  const busy = call.callingPid !== 0 && call.callingPid === pid;
  call.dials = named && call.retries <= call.maxRetries && !busy;
  return call;
}

function emptyCall(): SpooledCall {
  const texts = { tech: '', dest: '', application: '', data: '', context: '', extension: '', account: '' };
  const numbers = { priority: 1, maxRetries: 0, retryTime: 300, waitTime: 45, retries: 0, callingPid: 0 };
  const flags = { dials: false, archive: false, alwaysDelete: true, earlyMedia: false };
  const lists = { directives: [], complaints: [], variables: [], codecs: [], cut: [] };
  return { ...texts, ...numbers, ...flags, ...lists, callerName: '', callerNumber: '' };
}

/** What fgets() puts into the buffer at one go: up to a line feed, the end, or as much as fits. */
function readChunk(text: string, at: number): { chunk: string; next: number; atEnd: boolean } {
  const feed = text.indexOf('\n', at);
  const lineEnd = feed < 0 ? text.length : feed + 1;
  const next = Math.min(lineEnd, at + MOST_READ);
  // The end of the file is only noticed by reading on: a buffer that is full just there has not.
  const atEnd = feed < 0 && next === text.length && next - at < MOST_READ;
  return { chunk: text.slice(at, next), next, atEnd };
}

/** Whether a chunk counts as the end of a line. A NUL hides what is behind it, its line feed too. */
function endsLine(chunk: string, atEnd: boolean): boolean | undefined {
  const seen = chunk.split('\0', 1)[0]!;
  return seen === '' ? undefined : seen.endsWith('\n') || atEnd;
}

function* linesOf(text: string, complaints: Complaint[]): Generator<{ line: number; text: string }> {
  let line = 0;
  for (let at = 0; at < text.length; ) {
    line += 1;
    let { chunk, next, atEnd } = readChunk(text, at);
    at = next;
    const whole = endsLine(chunk, atEnd);
    if (whole) yield { line, text: chunk.split('\0', 1)[0]! };
    else complaints.push({ line, what: whole === undefined ? 'undefined' : 'long line' });
    if (whole) continue;
    // Asterisk reads on until something ends a line: behind a NUL that is the next line.
    for (let ended = false; !ended && at < text.length; at = next) {
      ({ chunk, next, atEnd } = readChunk(text, at));
      const ends = endsLine(chunk, atEnd);
      if (ends === undefined) complaints.push({ line, what: 'undefined' });
      ended = ends ?? false;
    }
  }
}

/** Bytes up to 32 are white space, control characters too. */
const isBlank = (byte: string) => byte.charCodeAt(0) < 33;

function withoutBlanksBehind(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

function withoutBlanksBefore(text: string): string {
  let begin = 0;
  while (begin < text.length && isBlank(text[begin]!)) begin += 1;
  return text.slice(begin);
}

/** Null is a line that is not understood, 'nothing' one that says nothing. */
function keyAndValue(line: string): { key: string; value: string } | 'nothing' | null {
  const text = withoutBlanksBehind(withoutNote(withoutComment(line)));
  if (text === '') return 'nothing';
  const colon = text.indexOf(':');
  if (colon < 0) return null;
  return { key: text.slice(0, colon), value: withoutBlanksBefore(text.slice(colon + 1)) };
}

/** Cut at the first "#" that begins the line or stands behind a space or a tab. */
function withoutComment(line: string): string {
  for (let at = line.indexOf('#'); at >= 0; at = line.indexOf('#', at + 1)) {
    if (at === 0 || line[at - 1] === ' ' || line[at - 1] === '\t') return line.slice(0, at);
  }
  return line;
}

/** Cut at the first ";" without a backslash before it; one with it stays, and the backslash goes. */
function withoutNote(line: string): string {
  let rest = line;
  for (let at = rest.indexOf(';'); at >= 0; at = rest.indexOf(';', at)) {
    if (at === 0 || rest[at - 1] !== '\\') return rest.slice(0, at);
    // The ";" takes the backslash's place, and `at` is the byte behind it.
    rest = rest.slice(0, at - 1) + rest.slice(at);
  }
  return rest;
}

function apply(call: SpooledCall, line: number, writtenKey: string, value: string): void {
  // strcasecmp() in the C locale: only A to Z have small letters.
  const key = writtenKey.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  call.directives.push({ line, key, value });
  const complain = (what: Complaint['what']) => {
    call.complaints.push({ line, what });
  };
  const number = (fallback: number, least = Number.NEGATIVE_INFINITY) => {
    const read = scanNumber(value);
    if (read !== null && read >= least) return read;
    complain('no number');
    return fallback;
  };
  switch (key) {
    case 'channel': {
      const slash = value.indexOf('/');
      if (slash < 0) complain('no slash');
      else [call.tech, call.dest] = [value.slice(0, slash), value.slice(slash + 1)];
      return;
    }
    case 'callerid':
      applyCallerId(call, value);
      return;
    case 'application':
    case 'context':
    case 'extension':
      call[key] = cut(call, key, value, MOST[key]);
      return;
    case 'account':
    case 'data':
      call[key] = value;
      return;
    case 'codecs':
      call.codecs.push(value);
      return;
    case 'maxretries':
      call.maxRetries = number(0);
      return;
    case 'priority':
      call.priority = number(1, 1);
      return;
    case 'retrytime':
      call.retryTime = number(300, 1);
      return;
    case 'waittime':
      call.waitTime = number(45, 1);
      return;
    case 'retry':
      call.retries += 1;
      return;
    case 'startretry':
      call.callingPid = number(0);
      return;
    case 'endretry':
    case 'abortretry':
      call.callingPid = 0;
      call.retries += 1;
      return;
    case 'delayedretry':
      return;
    case 'set':
    case 'setvar': {
      const equals = value.indexOf('=');
      if (equals < 0) complain('no equals sign');
      else call.variables.push([value.slice(0, equals), value.slice(equals + 1)]);
      return;
    }
    case 'alwaysdelete':
      call.alwaysDelete = isTrue(value);
      return;
    case 'archive':
      call.archive = isTrue(value);
      return;
    case 'early_media':
      call.earlyMedia = isTrue(value);
      return;
    default:
      complain('unknown keyword');
  }
}

function cut(call: SpooledCall, key: string, value: string, most: number): string {
  if (value.length > most) call.cut.push(key);
  return value.slice(0, most);
}

/** What counts as yes. */
const isTrue = (value: string) => /^(?:yes|true|y|t|1|on)$/i.test(value);

/** sscanf("%30d"): the number a text begins with, as an int; null when it begins with none. */
function scanNumber(value: string): number | null {
  const digits = /^[+-]?\d+/.exec(value.slice(0, 30))?.[0];
  if (digits === undefined) return null;
  const most = 2n ** 63n - 1n;
  const long = BigInt(digits.replace('+', ''));
  const clamped = long > most ? most : long < -most - 1n ? -most - 1n : long;
  return Number(BigInt.asIntN(32, clamped));
}

/** `"name" <number>`, `name <number>`, a number alone, or a name alone. */
function applyCallerId(call: SpooledCall, value: string): void {
  const all = strip(value);
  const plain = withoutQuotes(all);
  const open = plain.lastIndexOf('<');
  let name = '';
  let number = '';
  if (open >= 0) {
    const inside = plain.slice(open + 1);
    const close = inside.lastIndexOf('>');
    number = shrink(close < 0 ? inside : inside.slice(0, close));
    name = unescaped(withoutQuotes(plain.slice(0, open)));
  } else {
    const shrunk = shrink(plain.slice(0, 255));
    if (plain === all && /^[0-9*#+]+$/.test(shrunk)) number = shrunk;
    else name = unescaped(withoutQuotes(plain));
  }
  call.callerName = cut(call, 'callerid', name, MOST.caller);
  call.callerNumber = cut(call, 'callerid', number, MOST.caller);
}

const strip = (text: string) => withoutBlanksBehind(withoutBlanksBefore(text));

function withoutQuotes(text: string): string {
  const inner = strip(text);
  if (!inner.startsWith('"') || !inner.endsWith('"')) return inner;
  // A quote that stands alone is its own end: it goes, and what it leaves is empty.
  return inner.slice(1, Math.max(1, inner.length - 1));
}

/** Each backslash goes, and what is behind it stays as it is. */
const unescaped = (text: string) => text.replace(/\\(.?)/gs, '$1');

/** A number loses parentheses and spaces, a "-" outside of brackets, and a "." that is not its last. */
function shrink(number: string): string {
  let brackets = 0;
  let kept = '';
  for (const [at, letter] of [...number].entries()) {
    if (letter === '[') brackets += 1;
    if (letter === ']') brackets -= 1;
    const goes =
      '( )'.includes(letter) ||
      (letter === '-' && brackets === 0) ||
      (letter === '.' && at < number.length - 1);
    if (!goes) kept += letter;
  }
  return kept;
}
