/*
 * The AGI protocol as Asterisk's res/res_agi.c speaks it, without sockets: text in, messages out.
 *
 *   Asterisk: name: value            the environment, a variable a line, up to an empty line
 *   we:       STREAM FILE "hello" "5"
 *   Asterisk: 200 result=53 endpos=10880
 *   Asterisk: HANGUP                 at any time between replies
 */
import { CampanileError } from '../errors.js';
import { COMMAND_BYTES, MOST_COMMAND_BYTES, type ProtocolLimits } from './limits.js';

/** Cuts a stream of text into lines. A chunk may hold any number of lines and parts of lines. */
export class LineFramer {
  readonly #lineBytes: number;
  #parts: string[] = [];
  #partBytes = 0;

  constructor(lineBytes: number) {
    this.#lineBytes = lineBytes;
  }

  /**
   * Returns the lines that `chunk` completes, without their line feed; the rest is kept for the next chunk.
   * @throws CampanileError `agi_line_too_long`
   */
  push(chunk: string): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      this.#keep(chunk.slice(start, end));
      lines.push(this.#parts.length === 1 ? this.#parts[0]! : this.#parts.join(''));
      this.#parts = [];
      this.#partBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.slice(start));
    return lines;
  }

  #keep(part: string): void {
    this.#partBytes += Buffer.byteLength(part);
    if (this.#partBytes > this.#lineBytes) {
      throw new CampanileError(
        'agi_line_too_long',
        `cannot read agi: a line is longer than ${this.#lineBytes} bytes`,
      );
    }
    this.#parts.push(part);
  }
}

/** Gathers the environment block that Asterisk sends first. */
export class EnvironmentReader {
  readonly #limits: ProtocolLimits;
  readonly #variables: Record<string, string> = Object.create(null);
  #bytes = 0;
  #lines = 0;

  constructor(limits: ProtocolLimits) {
    this.#limits = limits;
  }

  /**
   * Takes the next line; returns all variables once it is the empty line that ends the block. A value is everything
   * after the first `: `. A name that comes twice is refused: Asterisk sends none twice, so a line break in one value
   * has forged another.
   * @throws CampanileError `agi_environment_too_large` or `agi_environment_malformed`
   */
  push(line: string): Record<string, string> | undefined {
    if (line === '') return this.#variables;
    this.#lines += 1;
    this.#bytes += Buffer.byteLength(line) + 1;
    if (this.#lines > this.#limits.envLines || this.#bytes > this.#limits.envBytes) {
      const { envLines, envBytes } = this.#limits;
      throw new CampanileError(
        'agi_environment_too_large',
        `cannot read the agi environment: more than ${envLines} lines or ${envBytes} bytes`,
      );
    }
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon);
    if (colon < 1 || name in this.#variables) {
      const reason = colon < 1 ? 'is not "name: value"' : 'repeats a name';
      throw new CampanileError(
        'agi_environment_malformed',
        `cannot read the agi environment: line ${this.#lines} ${reason}`,
      );
    }
    this.#variables[name] = line.slice(colon + 2);
    return undefined;
  }
}

/** What Asterisk asks for: `AGI(agi://host/answered?x=1,first,second)` in the dialplan. */
export type AgiRequest = {
  /** The path of the URL as it stands there, with its leading slash: `/answered`. */
  script: string;
  query: URLSearchParams;
  /** The values of agi_arg_1, agi_arg_2 and so on. */
  args: string[];
  /** The whole environment: agi_channel, agi_uniqueid, agi_callerid ... */
  variables: Record<string, string>;
};

/** Reads the request out of the environment. @throws CampanileError `agi_environment_malformed` without an agi:// URL */
export function parseRequest(variables: Record<string, string>): AgiRequest {
  const url = /^h?agi:\/\/[^/?]*([^?]*)(?:\?(.*))?$/is.exec(variables.agi_request ?? '');
  if (!url) {
    throw new CampanileError(
      'agi_environment_malformed',
      'cannot serve agi: agi_request is not an agi:// url',
    );
  }
  const args: string[] = [];
  for (let arg = variables.agi_arg_1; arg !== undefined; arg = variables[`agi_arg_${args.length + 1}`]) {
    args.push(arg);
  }
  return { script: url[1] || '/', query: new URLSearchParams(url[2] ?? ''), args, variables };
}

/** One reply: `200 result=1 (value) endpos=8000`, or `510 Invalid or unknown command`. */
export type Reply = {
  code: number;
  /** What follows `result=`; empty where there is none. */
  result: string;
  /** What stands in parentheses. */
  value: string | null;
  /**
   * How far a file had been played from its start: of CONTROL STREAM FILE in milliseconds, -1 when it ended or could not
   * be opened; of STREAM FILE in samples, 8,000 a second for telephone-band audio.
   */
  endpos: number | null;
  /** All that follows the code. */
  text: string;
};

const RESULT = /^result=([^ (]*)(?: ?\((.*)\))?(.*)$/s;
const END_OF_USAGE = '520 End of proper usage.';

/** Reads a whole reply; undefined for text that is none. */
export function parseReply(text: string): Reply | undefined {
  const parts = /^(\d{3})[ -](.*)$/s.exec(text);
  if (!parts) return undefined;
  const rest = parts[2] ?? '';
  const result = RESULT.exec(rest);
  const endpos = / endpos=(-?\d{1,12})(?!\d)/.exec(result?.[3] ?? '');
  return {
    code: Number(parts[1]),
    result: result?.[1] ?? '',
    value: result?.[2] ?? null,
    endpos: endpos ? Number(endpos[1]) : null,
    text: rest,
  };
}

/** Makes replies and hangups of lines. */
export class ReplyReader {
  readonly #limits: ProtocolLimits;
  #lines: string[] = [];
  #bytes = 0;
  #ends: (line: string) => boolean = () => true;

  constructor(limits: ProtocolLimits) {
    this.#limits = limits;
  }

  /**
   * Takes the next line; returns a reply once it is complete, or 'HANGUP'. Undefined are lines within a reply (the
   * usage text between `520-` and `520 End of proper usage.`, a value that has line breaks), announcements (`100
   * result=0 Trying...`) and lines that are nothing.
   * @throws CampanileError `agi_reply_too_large`
   */
  push(line: string): Reply | 'HANGUP' | undefined {
    if (this.#lines.length === 0) {
      if (line === 'HANGUP') return line;
      this.#ends = endOfReply(line);
    }
    this.#lines.push(line);
    this.#bytes += Buffer.byteLength(line) + 1;
    if (this.#bytes > this.#limits.envBytes || this.#lines.length > this.#limits.envLines) {
      throw new CampanileError(
        'agi_reply_too_large',
        `cannot read agi: a reply is over ${this.#limits.envBytes} bytes`,
      );
    }
    if (!this.#ends(line)) return undefined;
    const reply = parseReply(this.#lines.join('\n'));
    this.#lines = [];
    this.#bytes = 0;
    return reply && reply.code >= 200 ? reply : undefined;
  }
}

function endOfReply(first: string): (line: string) => boolean {
  if (first.startsWith('520-')) return (line) => line.endsWith(END_OF_USAGE);
  // Only GET VARIABLE and its like put a channel variable there, whose line breaks Asterisk sends as they are.
  if (/^200 result=[^ (]* ?\([^)]*$/.test(first)) return (line) => line.endsWith(')');
  return () => true;
}

/**
 * Quotes one argument as parse_args() in res_agi.c reads it.
 * @throws CampanileError `agi_argument` if it has a line break, which would begin another command, or a NUL
 */
export function quote(argument: string): string {
  for (const forbidden of ['\r', '\n', '\0']) {
    if (argument.includes(forbidden)) {
      throw new CampanileError(
        'agi_argument',
        'cannot send an argument to asterisk: it has a line break or a NUL',
      );
    }
  }
  return `"${argument.replace(/[\\"]/g, '\\$&')}"`;
}

/**
 * A command with its line feed: `words` as they are, `args` quoted; at most `bytes` long.
 * @throws CampanileError `agi_argument` for arguments that cannot be sent or that are too long together
 */
export function renderCommand(words: string, args: readonly string[], bytes = COMMAND_BYTES): string {
  const command = `${args.reduce((line, argument) => `${line} ${quote(argument)}`, words)}\n`;
  const most = Math.min(bytes, MOST_COMMAND_BYTES);
  if (Buffer.byteLength(command) > most) {
    throw new CampanileError(
      'agi_argument',
      `cannot send ${words} to asterisk: it is longer than ${most} bytes`,
    );
  }
  return command;
}
