import { mapConcurrently } from '../spool/concurrency.js';

/** Puts a command to Asterisk's console and answers what it prints. */
export type Ask = (command: string) => Promise<string>;

/**
 * Hangs up every channel of these calls, whether it rings or talks; returns how many those were. The calls end in the ordinary way
 * then: the hangup handler reports, Asterisk archives.
 */
export async function hangUp(ask: Ask, callIds: ReadonlySet<string>): Promise<number> {
  if (callIds.size === 0) return 0;
  const names = parseChannels(await ask('core show channels concise'));
  const hungUp = await mapConcurrently(names, async (name) => {
    const callId = parseCall(await ask(`core show channel ${name}`));
    if (callId === null || !callIds.has(callId)) return false;
    await ask(`channel request hangup ${name}`);
    return true;
  });
  return hungUp.filter(Boolean).length;
}

/** The calls that Asterisk has a channel of; the channels of others may be among what is asked about. */
export async function findCallsUp(ask: Ask): Promise<Set<string>> {
  const names = parseChannels(await ask('core show channels concise'));
  const calls = await mapConcurrently(names, async (name) =>
    parseCall(await ask(`core show channel ${name}`)),
  );
  return new Set(calls.filter((callId) => callId !== null));
}

/**
 * The names of the channels in what `core show channels concise` prints (Asterisk 16 and 22): the first of the values of a line,
 * which have `!` between them. One that would not come back as one word of a command is none of ours.
 */
export function parseChannels(text: string): string[] {
  return text.split('\n').flatMap((line) => /^([\w/@.+:;=-]+)!/.exec(line)?.[1] ?? []);
}

/** The call that a channel belongs to, by the variable that its call file set, in what `core show channel` prints. */
export function parseCall(text: string): string | null {
  return /^_*CAMPANILE_CALL=(\S+)$/m.exec(text)?.[1] ?? null;
}
