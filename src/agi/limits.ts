/** What one peer may send us; all lengths in bytes. A reply is held to the limits of the environment. */
export type ProtocolLimits = { lineBytes: number; envBytes: number; envLines: number };

/**
 * The longest command, line feed included, that every Asterisk reads whole. It reads with fgets into AGI_BUF_LEN bytes,
 * one of them for the NUL, and takes the rest of a longer line for the **next command**: without any line break, data
 * of the right length would be one. AGI_BUF_LEN is 8,192 in the 20, 21 and 22 of after July 2025 (asterisk issue 1317)
 * and 2,048 in all older ones.
 */
export const COMMAND_BYTES = 2_047;
/** The longest command that any Asterisk reads whole. */
export const MOST_COMMAND_BYTES = 8_191;

/** All times in milliseconds, all lengths in bytes. */
export type AgiLimits = ProtocolLimits & {
  /** The longest command, line feed included. */
  commandBytes: number;
  /** How long the environment may take from the connection on. */
  envTimeoutMs: number;
  /** How long Asterisk may take over a command that names no limit of its own: a file played, a call transferred. */
  commandTimeoutMs: number;
  /** How long a script may hold the call without a command under way. The person hears silence meanwhile. */
  idleTimeoutMs: number;
  /** How long Asterisk may take to close its side after us. */
  closeTimeoutMs: number;
};

// Asterisk's environment is one or two KiB, its arguments at most four more; and nobody has shown a token before it is whole.
export const AGI_LIMITS: AgiLimits = {
  lineBytes: 16_384,
  envBytes: 16_384,
  envLines: 1_000,
  commandBytes: COMMAND_BYTES,
  envTimeoutMs: 5_000,
  commandTimeoutMs: 4 * 3_600_000,
  idleTimeoutMs: 60_000,
  closeTimeoutMs: 2_000,
};

/** Of the files that this process may have open, so many may be connections of strangers: those that have shown no token. */
const STRANGERS_SHARE = 0.25;
/** As many calls may be answered at once, and wait to be heard. */
const MOST_STRANGERS = 4_096;
/** Where nobody says how many files may be open: what Linux gives a process that asks for nothing. */
const USUAL_FILES = 1_024;

/** How many connections may be open that have not shown the token of a call, with `limits` in the form of /proc/self/limits. */
export function mostStrangers(limits: string): number {
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? USUAL_FILES);
  return Math.min(MOST_STRANGERS, Math.floor(files * STRANGERS_SHARE));
}
