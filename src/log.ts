import { type Logger, pino } from 'pino';

export type { Logger };

/**
 * A JSON-lines logger, on stderr unless a file is given, so that stdout stays free for what a command prints. `level` is
 * one of pino's.
 */
export function createLog(level: string, file?: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['token', 'password', 'secret', 'authorization'],
    },
    pino.destination({ dest: file ?? 2, sync: false }),
  );
}
