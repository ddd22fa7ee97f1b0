import type { CallId } from '../calls/call-id.js';
import type { FoundFile } from './inventory.js';
import { ANNOUNCE_SECONDS } from './waiting.js';

/** How long a call may go on before Asterisk is asked whether it does, and from then on how often. */
const ASK_EVERY_MS = 60_000;
/** As long as Asterisk may take from `StartRetry` to a channel, or from a file that came to `StartRetry`. */
const SETTLED_MS = 2000;

/** What is known of a call beyond its file. */
export interface Doubt {
  /** Whether Asterisk has a channel of it; null when it was not asked, or did not answer. */
  isUp: boolean | null;
  /** Asterisk may have made the call and not been able to write so: it must not be told of the file again. */
  inDoubt: boolean;
  /** The same, and it had the time to show that it has not. */
  mayHaveBegun: boolean;
}

/** Calls whose files may not tell how far they are. */
export interface Doubts {
  /** The spool cannot be written: whatever waits in outgoing/ is in doubt until `begin`. */
  hold(): void;
  /** The spool could not be written until now: what lies in outgoing/ is to be asked about. */
  begin(): void;
  /**
   * What is known of the files of an inventory, by name; those that nothing is known of are missing. An Asterisk that does not
   * run is not asked.
   */
  settle(files: readonly FoundFile[], asteriskRuns?: boolean): Promise<Map<string, Doubt>>;
}

/**
 * A call is over when its file is archived. Where Asterisk could not do that, because the spool was read-only or the file was
 * put there by somebody else, only Asterisk knows: it is asked by `findUp`, about calls that go on for long.
 *
 * A moment of that is enough for a call that is not marked as begun. So Asterisk is asked about a file, too, before it is told
 * of it again.
 *
 * The spool may have been read-only while nobody of us ran, too. So at the start Asterisk is asked about all calls. If it has not
 * archived one that is over, a file that it had the time to take, and has not marked, is in doubt. Without `findUp` nobody is asked.
 */
export function createDoubts(
  findUp?: () => Promise<ReadonlySet<CallId> | null>,
  now: () => number = () => performance.now(),
): Doubts {
  /** When Asterisk is to be asked about a call that has begun. */
  const askAt = new Map<string, number>();
  /** Since when a file that has not begun is in doubt. */
  const unwritten = new Map<string, number>();
  /** Until when an answer about the calls of before our start is waited for; null once it is there. */
  let startsUntil = findUp ? now() + ASK_EVERY_MS : null;
  let asksAll = false;
  let held = false;

  function askAbout(begun: readonly FoundFile[]): FoundFile[] {
    const asksNow = asksAll || startsUntil !== null;
    for (const { name } of begun) {
      if (!askAt.has(name) || asksNow) askAt.set(name, now() + (asksNow ? 0 : ASK_EVERY_MS));
    }
    return begun.filter((found) => askAt.get(found.name)! <= now() && isSettled(found));
  }

  return {
    hold() {
      held = true;
    },
    begin() {
      held = false;
      asksAll = true;
    },
    async settle(files, asteriskRuns = true) {
      const outgoing = files.filter(({ file }) => file === 'outgoing');
      const begun = outgoing.filter(({ begunAt }) => begunAt !== null);
      const waiting = outgoing.filter(({ begunAt }) => begunAt === null);
      keepOnly(askAt, begun);
      keepOnly(unwritten, waiting);
      const asked = askAbout(begun);
      if (asksAll) for (const { name } of waiting) unwritten.set(name, now());
      asksAll = false;
      const late = waiting.filter(hadTheTime);
      const asks = asked.length + late.length > 0;
      const up = asks && asteriskRuns ? ((await findUp?.()) ?? null) : null;
      if (up) for (const { name } of asked) askAt.set(name, now() + ASK_EVERY_MS);
      if (startsUntil !== null && (!asks || up || now() > startsUntil)) {
        const couldNotArchive = up && asked.some(({ callId }) => !up.has(callId));
        if (couldNotArchive) for (const { name } of late) unwritten.set(name, now());
        startsUntil = null;
      }
      const inDoubt = (file: FoundFile) =>
        held || unwritten.has(file.name) || (startsUntil !== null && late.includes(file));
      const isUp = ({ callId }: FoundFile) => up?.has(callId) ?? null;
      return new Map([
        ...asked.map((file): [string, Doubt] => [
          file.name,
          { isUp: isUp(file), inDoubt: false, mayHaveBegun: false },
        ]),
        ...waiting
          .filter((file) => up || inDoubt(file))
          .map((file): [string, Doubt] => {
            const mayHaveBegun = !held && now() - (unwritten.get(file.name) ?? now()) >= SETTLED_MS;
            return [file.name, { isUp: isUp(file), inDoubt: inDoubt(file), mayHaveBegun }];
          }),
      ]);
    },
  };
}

/** Whether Asterisk would have taken it long ago; one that is being withdrawn, its time far ahead, it must not. */
function hadTheTime({ since, writtenAt }: FoundFile): boolean {
  return writtenAt.getTime() <= Date.now() && Date.now() - since.getTime() >= ANNOUNCE_SECONDS * 1000;
}

function isSettled({ begunAt }: FoundFile): boolean {
  return Math.abs(Date.now() - begunAt!.getTime()) >= SETTLED_MS;
}

function keepOnly(known: Map<string, number>, files: readonly FoundFile[]): void {
  const names = new Set(files.map(({ name }) => name));
  for (const name of known.keys()) if (!names.has(name)) known.delete(name);
}
