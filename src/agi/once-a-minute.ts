import type { Logger } from '../log.js';

const MINUTE_MS = 60_000;
/** Kinds are meant to be few; should one be made of data after all, memory stays bounded. */
const MOST_KINDS = 1_000;

/** Logs `message` unless this `kind` was logged less than a minute ago; see onceAMinute. */
export type LimitedLog = (
  level: 'info' | 'warn' | 'error',
  kind: string,
  fields: Record<string, unknown>,
  message: string,
) => void;

/**
 * Makes a function that writes at most one line a minute for each `kind`, so that a fault which strikes every call
 * does not fill the disk. A line that stands for others says how many in `suppressed`; those left out are written at
 * debug level. `now` returns milliseconds.
 */
export function onceAMinute(log: Logger, now: () => number = Date.now): LimitedLog {
  const kinds = new Map<string, { since: number; suppressed: number }>();
  return (level, kind, fields, message) => {
    const at = now();
    const last = kinds.get(kind);
    if (last && at - last.since < MINUTE_MS) {
      last.suppressed += 1;
      log.debug(fields, message);
      return;
    }
    if (kinds.size >= MOST_KINDS) kinds.clear();
    kinds.set(kind, { since: at, suppressed: 0 });
    log[level](last && last.suppressed > 0 ? { ...fields, suppressed: last.suppressed } : fields, message);
  };
}
