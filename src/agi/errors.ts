/** The call has ended: thrown by every command after a hangup, a 511, or the end of the connection. */
export class HangupError extends Error {
  /** If a file was playing when the call ended: how many milliseconds of it had been played; null when nobody knows. */
  readonly playedMs: number | null;

  constructor(message = 'the call has ended', playedMs: number | null = null) {
    super(message);
    this.name = 'HangupError';
    this.playedMs = playedMs;
  }
}

/** Asterisk would not do a command: `code` is the reply's (510, 520, or 200 if only its result says so). */
export class AgiCommandError extends Error {
  readonly code: number;
  /** The reply after its code; of a 520 all lines, which tell the command's proper usage. */
  readonly text: string;

  constructor(command: string, code: number, text: string) {
    super(`asterisk did not do ${command}: ${code} ${text}`);
    this.name = 'AgiCommandError';
    this.code = code;
    this.text = text;
  }
}
