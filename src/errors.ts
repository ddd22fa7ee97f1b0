/**
 * An error a person can act on: `code` is stable and machine readable, `status` is the HTTP status the API answers
 * with, and the message says what could not be done and why (lower case, no trailing dot).
 */
export class CampanileError extends Error {
  readonly code: string;
  readonly status: number;
  /** After how many seconds the same may succeed; null when there is no telling. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: string,
    message: string,
    options: { status?: number; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CampanileError';
    this.code = code;
    this.status = options.status ?? 500;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
