import { isProblemCode, PROBLEMS, type ProblemCode } from './problems.js';

/** What can go wrong where no request is answered, or none of the caller's doing: in an answer it is `internal`. */
export type FaultCode =
  | 'agi_argument'
  | 'agi_environment_incomplete'
  | 'agi_environment_malformed'
  | 'agi_environment_too_large'
  | 'agi_line_too_long'
  | 'agi_listen'
  | 'agi_reply_too_large'
  | 'agi_timeout'
  | 'agi_unknown_script'
  | 'api_refused'
  | 'api_unreachable'
  | 'asterisk_cli'
  | 'asterisk_silent'
  | 'asterisk_start'
  | 'call_file_refused'
  | 'attempt_unknown'
  | 'cannot_listen'
  | 'command_failed'
  | 'config_invalid'
  | 'content_missing'
  | 'database_newer'
  | 'database_unreadable'
  | 'database_unusable'
  | 'directory_unreachable'
  | 'embedded_postgres_failed'
  | 'embedded_postgres_missing'
  | 'embedded_postgres_refuses'
  | 'far_end_start'
  | 'interrupted'
  | 'lab_path'
  | 'lab_unshare'
  | 'lock_failed'
  | 'flow_unreadable'
  | 'message_missing'
  | 'migration_failed'
  | 'migrations_busy'
  | 'migrations_missing'
  | 'no_asterisk'
  | 'no_database'
  | 'no_free_port'
  | 'no_image'
  | 'no_package_root'
  | 'node_lost'
  | 'node_taken'
  | 'password_sealed'
  | 'pjsip_file'
  | 'pjsip_not_loaded'
  | 'port_in_use'
  | 'reader_too_slow'
  | 'secret_too_short'
  | 'secret_unusable'
  | 'sip_account_refused'
  | 'spool_name_refused'
  | 'spool_place_failed'
  | 'spool_taken'
  | 'spool_unusable'
  | 'spool_write_failed'
  | 'template_invalid'
  | 'template_value_refused'
  | 'tenant_id_invalid'
  | 'transaction_aborted'
  | 'usage'
  | 'webhook_secret_sealed';

/**
 * An error a person can act on: `code` is stable and machine readable, and the message says what could not be done and why (lower
 * case, no trailing dot). `status` is the HTTP status that the API answers with, by the table of src/problems.ts.
 */
export class CampanileError extends Error {
  readonly code: ProblemCode | FaultCode;
  readonly status: number;
  /** After how many seconds the same may succeed; null when there is no telling. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ProblemCode | FaultCode,
    message: string,
    options: { retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CampanileError';
    this.code = code;
    this.status = isProblemCode(code) ? PROBLEMS[code].status : 500;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
