import { type Logger, type LoggerOptions, pino } from 'pino';
import { describeError } from './log-error.js';

export type { Logger };

/** How lines are written, wherever they go: docs/logs.md. */
export const LOG_OPTIONS = {
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  serializers: { err: describeError },
  redact: ['token', 'password', 'secret', 'authorization'],
} satisfies LoggerOptions;

/**
 * A JSON-lines logger, on stderr unless a file is given, so that stdout stays free for what a command prints. `level` is
 * one of pino's.
 */
export function createLog(level: string, file?: string): Logger {
  return pino({ ...LOG_OPTIONS, level }, pino.destination({ dest: file ?? 2, sync: false }));
}
