import type { Socket } from 'node:net';
import Context from 'ding-dong/lib/context.js';
import { CampanileError } from '../errors.js';
import { AgiCommandError, HangupError } from './errors.js';
import type { AgiLimits } from './limits.js';
import {
  type AgiRequest,
  EnvironmentReader,
  LineFramer,
  parseRequest,
  type Reply,
  ReplyReader,
  renderCommand,
} from './protocol.js';

/**
 * The line that makes run_agi() in res_agi.c end the session with AGISTATUS=FAILURE, so that the dialplan can tell a
 * call that we could not serve from one that we did. Closing without it is AGISTATUS=SUCCESS.
 */
const FAILURE = 'failure\n';

type Done = (error: Error | null, reply?: unknown) => void;
type Command = { line: string; done: Done; timeoutMs: number };

/**
 * One FastAGI connection: ding-dong's Context with its reading and sending replaced. Commands go out one at a time,
 * because Asterisk breaks off STREAM FILE without any reply when the next command is already there.
 */
export class AgiConnection extends Context {
  /** The request, once the environment is complete; rejects with why it never was. */
  readonly request: Promise<AgiRequest>;
  /** Resolves when the socket is closed for good; never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #limits: AgiLimits;
  readonly #report: (error: unknown) => void;
  readonly #lines: LineFramer;
  readonly #environment: EnvironmentReader;
  readonly #replies: ReplyReader;
  #phase: 'environment' | 'open' | 'ending' | 'closed' = 'environment';
  #resolveRequest!: (request: AgiRequest) => void;
  #rejectRequest!: (error: Error) => void;
  #queue: Command[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hungUp = false;
  /** Called once, when the first command goes out. */
  onFirstCommand: (() => void) | null = null;
  readonly #hangupListeners = new Set<() => void>();

  /** `report` hears of faults that no command of the script's could be told about. */
  constructor(socket: Socket, limits: AgiLimits, report: (error: unknown) => void) {
    super(socket);
    this.#socket = socket;
    this.#limits = limits;
    this.#report = report;
    this.#lines = new LineFramer(limits.lineBytes);
    this.#environment = new EnvironmentReader(limits);
    this.#replies = new ReplyReader(limits);
    this.request = new Promise((resolve, reject) => {
      this.#resolveRequest = resolve;
      this.#rejectRequest = reject;
    });
    this.closed = new Promise((resolve) => {
      this.once('close', () => {
        this.#onClose();
        resolve();
      });
    });
    // A reset needs a listener, or it ends the process; 'close' always follows and does the work.
    this.on('error', () => {});
    this.#limit(limits.envTimeoutMs, () => this.#fail(timeout('the environment', limits.envTimeoutMs)));
  }

  /** Whether the call has ended while the script was at work. */
  get hungUp(): boolean {
    return this.#hungUp;
  }

  /** Calls `listener` once when the call ends, soon if it has ended already. Returns a function that takes it away. */
  onHangup(listener: () => void): () => void {
    let wanted = true;
    const call = () => {
      if (wanted) return listener();
    };
    if (this.#hungUp) this.#notify(call);
    else this.#hangupListeners.add(call);
    return () => {
      wanted = false;
      this.#hangupListeners.delete(call);
    };
  }

  /**
   * Sends one command after those before it and resolves with its reply, whose code is 200.
   * @throws HangupError, AgiCommandError, or CampanileError `agi_argument` or `agi_timeout`
   */
  command(words: string, args: readonly string[], timeoutMs = this.#limits.commandTimeoutMs): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const done: Done = (error, reply) => {
        if (error) reject(error);
        else if ((reply as Reply).code === 200) resolve(reply as Reply);
        else if (this.#hungUp && (reply as Reply).code === 511) reject(new HangupError());
        else reject(new AgiCommandError(words, (reply as Reply).code, (reply as Reply).text));
      };
      this.send(renderCommand(words, args, this.#limits.commandBytes), done, timeoutMs);
    });
  }

  /** Queues one line; `done` gets its reply whatever the code, or a HangupError. */
  override send(line: string, done: Done, timeoutMs = this.#limits.commandTimeoutMs): void {
    if (this.#phase !== 'open' || this.#hungUp) {
      done(new HangupError());
      return;
    }
    this.#queue.push({ line, done, timeoutMs });
    if (!this.pending) this.#sendNext();
  }

  /** Ends our side and then, unless Asterisk ends its own, the connection. Resolves when it is closed. */
  override end(): Promise<void> {
    return this.#end();
  }

  /** As `end`, but tells Asterisk that the call could not be served: AGISTATUS is FAILURE then. */
  fail(): Promise<void> {
    return this.#end(FAILURE);
  }

  /** Closes the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  override read(): string {
    for (let chunk = this.stream.read(); chunk !== null; chunk = this.stream.read()) {
      if (this.#phase === 'environment' || this.#phase === 'open') this.#receive(chunk);
    }
    return '';
  }

  #receive(chunk: string): void {
    try {
      for (const line of this.#lines.push(chunk)) {
        if (this.#phase === 'environment') this.#readEnvironment(line);
        else if (this.#phase === 'open') this.#readReply(line);
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #readEnvironment(line: string): void {
    const variables = this.#environment.push(line);
    if (!variables) return;
    const request = parseRequest(variables);
    this.variables = variables;
    this.#phase = 'open';
    this.#limitIdleness();
    this.#resolveRequest(request);
  }

  #readReply(line: string): void {
    const reply = this.#replies.push(line);
    if (!reply) return;
    if (reply === 'HANGUP') {
      // The reply to a command under way is still to come, and may tell how much was heard.
      this.#hangUp();
      return;
    }
    const done = this.pending;
    if (!done) return;
    if (reply.code === 511) this.#hangUp();
    this.pending = null;
    done(null, reply);
    this.#sendNext();
  }

  #sendNext(): void {
    const next = this.#queue.shift();
    if (!next) {
      this.#limitIdleness();
      return;
    }
    this.#limit(next.timeoutMs, () => this.#fail(timeout('the reply to a command', next.timeoutMs)));
    super.send(next.line, next.done);
    this.onFirstCommand?.();
    this.onFirstCommand = null;
  }

  #hangUp(): void {
    if (this.#hungUp) return;
    this.#hungUp = true;
    for (const command of this.#queue.splice(0)) command.done(new HangupError());
    for (const listener of this.#hangupListeners) this.#notify(listener);
    this.#hangupListeners.clear();
  }

  #notify(listener: () => void): void {
    Promise.resolve().then(listener).catch(this.#report);
  }

  /** A fault of the peer's or a limit reached. The command under way is told, since no reply can be matched after it. */
  #fail(error: Error): void {
    if (this.#phase === 'environment') {
      this.#rejectRequest(error);
      this.#phase = 'ending';
      this.destroy();
      return;
    }
    if (this.#phase !== 'open') return;
    const done = this.pending;
    this.pending = null;
    if (done) done(error);
    else this.#report(error);
    this.#hangUp();
    this.fail();
  }

  #end(lastLine?: string): Promise<void> {
    if (this.#phase === 'environment' || this.#phase === 'open') {
      this.#phase = 'ending';
      this.#dropCommands();
      this.#hangupListeners.clear();
      this.#limit(this.#limits.closeTimeoutMs, () => this.destroy());
      if (lastLine) this.stream.write(lastLine);
      super.end();
    }
    return this.closed;
  }

  #onClose(): void {
    clearTimeout(this.#timer);
    if (this.#phase === 'environment') {
      const message = 'cannot read the agi environment: the connection was closed before its end';
      this.#rejectRequest(new CampanileError('agi_environment_incomplete', message));
    }
    if (this.#phase === 'open') this.#hangUp();
    this.#phase = 'closed';
    this.#dropCommands();
  }

  #dropCommands(): void {
    const done = this.pending;
    this.pending = null;
    done?.(new HangupError());
    for (const command of this.#queue.splice(0)) command.done(new HangupError());
  }

  #limitIdleness(): void {
    this.#limit(this.#limits.idleTimeoutMs, () =>
      this.#fail(timeout('the script', this.#limits.idleTimeoutMs)),
    );
  }

  #limit(ms: number, reached: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(reached, ms);
  }
}

function timeout(what: string, ms: number): CampanileError {
  return new CampanileError(
    'agi_timeout',
    `cannot go on with an agi session: ${what} took more than ${ms} ms`,
  );
}
