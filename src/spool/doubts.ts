import type { CallId } from '../calls/call-id.js';
import type { FoundFile } from './inventory.js';

/** How long a call may go on before Asterisk is asked whether it does, and from then on how often. */
const ASK_EVERY_MS = 60_000;
/** As long as Asterisk may take from `StartRetry` to a channel, or from a file that came to `StartRetry`. */
const SETTLED_MS = 2000;

/** What is known of a call beyond its file. */
export interface Doubt {
  /** Whether Asterisk has a channel of it; null when it was not asked, or did not answer. */
  isUp: boolean | null;
  /** Its file lay in outgoing/ while nobody could write there: Asterisk may have made the call and not said so. */
  mayHaveBegun: boolean;
}

/** Calls whose files may not tell how far they are. */
export interface Doubts {
  /** The spool could not be written until now: what lies in outgoing/ is to be asked about. */
  begin(): void;
  /** What is known of the files of an inventory, by name; those that nothing is known of are missing. */
  settle(files: readonly FoundFile[]): Promise<Map<string, Doubt>>;
}

/**
 * A call is over when its file is archived. Where Asterisk could not do that, because the spool was read-only or the file was
 * put there by somebody else, only Asterisk knows: it is asked by `findUp`, about calls that go on for long.
 */
export function createDoubts(
  findUp: () => Promise<ReadonlySet<CallId> | null>,
  now: () => number = () => performance.now(),
): Doubts {
  /** When Asterisk is to be asked about a call that has begun. */
  const askAt = new Map<string, number>();
  /** Since when a file that has not begun is in doubt. */
  const unwritten = new Map<string, number>();
  let asksAll = false;

  return {
    begin() {
      asksAll = true;
    },
    async settle(files) {
      const outgoing = files.filter(({ file }) => file === 'outgoing');
      const begun = outgoing.filter(({ begunAt }) => begunAt !== null);
      const waiting = outgoing.filter(({ begunAt }) => begunAt === null);
      keepOnly(askAt, begun);
      keepOnly(unwritten, waiting);
      for (const { name } of begun) {
        if (!askAt.has(name) || asksAll) askAt.set(name, now() + (asksAll ? 0 : ASK_EVERY_MS));
      }
      if (asksAll) for (const { name } of waiting) unwritten.set(name, now());
      asksAll = false;
      const asked = begun.filter((found) => askAt.get(found.name)! <= now() && isSettled(found));
      const up = asked.length > 0 ? await findUp() : null;
      if (up) for (const { name } of asked) askAt.set(name, now() + ASK_EVERY_MS);
      return new Map([
        ...asked.map(({ name, callId }): [string, Doubt] => [
          name,
          { isUp: up?.has(callId) ?? null, mayHaveBegun: false },
        ]),
        ...waiting
          .filter(({ name }) => now() - (unwritten.get(name) ?? now()) >= SETTLED_MS)
          .map(({ name }): [string, Doubt] => [name, { isUp: null, mayHaveBegun: true }]),
      ]);
    },
  };
}

function isSettled({ begunAt }: FoundFile): boolean {
  return Math.abs(Date.now() - begunAt!.getTime()) >= SETTLED_MS;
}

function keepOnly(known: Map<string, number>, files: readonly FoundFile[]): void {
  const names = new Set(files.map(({ name }) => name));
  for (const name of known.keys()) if (!names.has(name)) known.delete(name);
}
