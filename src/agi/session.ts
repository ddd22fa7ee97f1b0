import { CampanileError } from '../errors.js';
import type { AgiConnection } from './connection.js';
import { AgiCommandError, HangupError } from './errors.js';
import type { AgiRequest, Reply } from './protocol.js';

export { AgiCommandError, HangupError } from './errors.js';
export type { AgiRequest } from './protocol.js';

/** `timeoutMs`: how long Asterisk may take over this command; after it the session is over. */
export type CommandOptions = { timeoutMs?: number };

/** Milliseconds to skip and the keys to skip forward, rewind and pause: without them # and * would; no phone has an x. */
const NO_CONTROLS = ['1000', 'x', 'x', 'x'];

/**
 * A call as a script sees it.
 *
 * Commands may be given without waiting for the one before; they run in order. Every command throws HangupError once
 * the call has ended, AgiCommandError if Asterisk refuses it, CampanileError `agi_argument` for what cannot be sent and
 * `agi_timeout` when the reply does not come. A command whose promise nobody awaits may fail unheard.
 *
 * In the session of a hangup handler the channel is dead from the start although `hungUp` is false: getVariable,
 * setVariable, exec and verbose work there (res_agi.c), any other command throws HangupError.
 */
export class AgiSession {
  readonly request: AgiRequest;
  /** To be called once the request has shown the token of a call: until then the session may be closed to make room. */
  readonly admit: () => void;
  readonly #connection: AgiConnection;
  #abort: AbortController | undefined;

  /** `admit` takes the connection from the strangers. */
  constructor(connection: AgiConnection, request: AgiRequest, admit: () => void = () => {}) {
    this.#connection = connection;
    this.request = request;
    this.admit = admit;
  }

  /** Whether the call has ended: Asterisk said so, refused a command because of it (511), or is gone. */
  get hungUp(): boolean {
    return this.#connection.hungUp;
  }

  /**
   * Aborted, with a HangupError as its reason, when the call ends before the script does: to hand on to what can be
   * aborted. A listener of one's own belongs to `onHangup`, where it cannot end the process by throwing.
   */
  get signal(): AbortSignal {
    if (!this.#abort) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.hungUp) abort.abort(new HangupError());
      else this.#connection.onHangup(() => abort.abort(new HangupError()));
    }
    return this.#abort.signal;
  }

  /**
   * Calls `listener` once when the call ends before the script does, soon if it has ended already. What it throws is
   * logged. Returns a function that takes it away again.
   */
  onHangup(listener: () => void): () => void {
    return this.#connection.onHangup(listener);
  }

  /**
   * Plays a sound file (`name` without its extension), from `fromMs` on, until its end or until one of `escapeDigits` is pressed.
   * `digit` is that key and `playedMs` how many milliseconds of the file had been played; both are null if it was played
   * to its end, which is also what Asterisk says of an empty file.
   *
   * By CONTROL STREAM FILE, because Asterisk breaks STREAM FILE off when the connection ends: this way whoever is
   * listening when Campanile stops or dies hears the message to its end.
   * @throws HangupError, with `playedMs` if the call ended while it played; AgiCommandError (code 200) if the file cannot
   * be opened
   */
  play(
    name: string,
    escapeDigits = '',
    { fromMs = 0, ...options }: CommandOptions & { fromMs?: number } = {},
  ): Promise<{ digit: string | null; playedMs: number | null }> {
    return this.#quietly(async () => {
      const args = [name, escapeDigits, ...NO_CONTROLS, ...(fromMs > 0 ? [String(fromMs)] : [])];
      const reply = await this.#command('CONTROL STREAM FILE', args, options);
      const digit = await this.#digit('CONTROL STREAM FILE', reply);
      return { digit, playedMs: digit === null ? null : reply.endpos };
    });
  }

  /** Waits at most `ms` milliseconds for a key; null if none was pressed. @throws as all commands do */
  waitForDigit(ms: number, options: CommandOptions = {}): Promise<string | null> {
    return this.#quietly(async () => {
      if (!Number.isInteger(ms) || ms < 0) {
        throw new CampanileError(
          'agi_argument',
          `cannot wait ${ms} ms for a digit: that is not a number of milliseconds`,
        );
      }
      return this.#digit('WAIT FOR DIGIT', await this.#command('WAIT FOR DIGIT', [String(ms)], options));
    });
  }

  /**
   * Has Asterisk say something with its own files, in the channel's language, until one of the escape digits in `args` is
   * pressed, which it returns. @throws AgiCommandError (code 200) where a file is missing, else as all commands do
   */
  say(
    words: 'SAY NUMBER' | 'SAY DIGITS' | 'SAY ALPHA' | 'SAY DATETIME',
    args: readonly string[],
    options: CommandOptions = {},
  ): Promise<string | null> {
    return this.#quietly(async () => this.#digit(words, await this.#command(words, args, options)));
  }

  /**
   * Records into `name`.wav (`name` without its extension) until one of `escapeDigits`, `maxMs` or so much silence;
   * `digit` is that key. It resolves before Asterisk has closed the file, and whoever reads it must wait for that. The
   * session's end does not break it off. Silence is heard in audio only: of a far end that sends none, `maxMs` pass.
   * @throws HangupError when the call ended meanwhile, and what was said is in the file; AgiCommandError (code 200) if it
   * cannot be written
   */
  record(
    name: string,
    how: { escapeDigits: string; maxMs: number; silenceSeconds: number | null; beep: boolean },
    options: CommandOptions = {},
  ): Promise<{ digit: string | null }> {
    return this.#quietly(async () => {
      const { escapeDigits, maxMs, silenceSeconds, beep } = how;
      const args = [name, 'wav', escapeDigits, String(maxMs), ...(beep ? ['BEEP'] : [])];
      if (silenceSeconds !== null) args.push(`s=${silenceSeconds}`);
      const reply = await this.#command('RECORD FILE', args, options);
      // After a silence the result is some number or other.
      const digit = reply.value === 'dtmf' ? keyOf(Number.parseInt(reply.result, 10)) : null;
      if (digit !== null) return { digit };
      if (reply.value === 'timeout') return { digit: null };
      if (reply.value === 'hangup' || this.hungUp) throw new HangupError();
      throw new AgiCommandError('RECORD FILE', reply.code, reply.text);
    });
  }

  /** Sets a channel variable, or writes a dialplan function such as `CDR(userfield)`. */
  setVariable(name: string, value: string, options: CommandOptions = {}): Promise<void> {
    return this.#quietly(async () => {
      await this.#command('SET VARIABLE', [name, value], options);
    });
  }

  /** A channel variable's or dialplan function's value (Asterisk cuts a function's at 1,023 bytes); null if unset. */
  getVariable(name: string, options: CommandOptions = {}): Promise<string | null> {
    return this.#quietly(async () => {
      const reply = await this.#command('GET VARIABLE', [name], options);
      return reply.result === '1' ? (reply.value ?? '') : null;
    });
  }

  /**
   * Runs a dialplan application and returns what it returned: 0 when all is well, -1 when it wants the call to end.
   * @throws AgiCommandError (code 200) if Asterisk has no such application
   */
  exec(application: string, data = '', options: CommandOptions = {}): Promise<number> {
    return this.#quietly(async () => {
      const reply = await this.#command('EXEC', [application, data], options);
      const result = Number.parseInt(reply.result, 10);
      // handle_exec() in res_agi.c answers -2 where pbx_findapp() found nothing.
      if (result === -2) throw new AgiCommandError(`EXEC ${application}`, reply.code, reply.text);
      return result;
    });
  }

  /** Writes to Asterisk's console from verbosity `level` on. */
  verbose(message: string, level = 1, options: CommandOptions = {}): Promise<void> {
    return this.#quietly(async () => {
      await this.#command('VERBOSE', [message, String(level)], options);
    });
  }

  /** Hangs up. Resolves also if the call has ended by itself. */
  hangup(options: CommandOptions = {}): Promise<void> {
    return this.#quietly(async () => {
      try {
        await this.#command('HANGUP', [], options);
      } catch (error) {
        if (!(error instanceof HangupError)) throw error;
      }
    });
  }

  #command(words: string, args: readonly string[], options: CommandOptions): Promise<Reply> {
    return this.#connection.command(words, args, options.timeoutMs);
  }

  /** The key of a `result=`, which is its character code, 0 for none. */
  async #digit(words: string, reply: Reply): Promise<string | null> {
    const result = Number.parseInt(reply.result, 10);
    if (result === 0) return null;
    const key = keyOf(result);
    if (key !== null) return key;
    // The channel is gone, or something failed, and the HANGUP that tells comes after this reply. A command that dead
    // channels refuse is answered after it, or with 511.
    if (!this.hungUp) await this.#command('CHANNEL STATUS', [], {}).catch(hangupOnly);
    // -1: the call ended while a frame was being written, and Asterisk has let go of the file.
    const played = reply.endpos === -1 ? null : reply.endpos;
    if (this.hungUp) throw new HangupError('the call has ended', played);
    throw new AgiCommandError(words, reply.code, reply.text);
  }

  /** Runs a command so that a script which does not wait for it is not ended by its failure (and the process neither). */
  #quietly<T>(run: () => Promise<T>): Promise<T> {
    const promise = run();
    promise.catch(() => {});
    return promise;
  }
}

/** The key of that character code; null where no telephone has it. */
function keyOf(code: number): string | null {
  const key = code > 0 && code < 128 ? String.fromCharCode(code) : '';
  return /^[0-9*#A-D]$/.test(key) ? key : null;
}

function hangupOnly(error: unknown): void {
  if (!(error instanceof HangupError)) throw error;
}
