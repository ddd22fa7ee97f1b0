/** Where the file of an attempt lies. In several places at once (src/spool/withdrawal.ts), the last of these counts. */
export type Place = 'nowhere' | 'staging' | 'outgoing' | 'outgoing_done';

/** All that is known of one call id at one moment. */
export interface Finding {
  /** The attempt in the database. */
  attempt: 'open' | 'ended' | 'none';
  file: Place;
  /** Since when it has been so: the file's last change; for `nowhere`, when it was first missed. */
  since: Date;
  /** When Asterisk began the call, to the second; null when its file does not say so. */
  begunAt: Date | null;
  /** Whether the Asterisk that runs now began it; null where only the times can tell. */
  sameRun: boolean | null;
  /** Whether Asterisk has a channel of it; null when it was not asked (doubts.ts). */
  isUp?: boolean | null;
  /** Asterisk may have begun the call and not been able to write so: nobody knows yet, or nobody ever will (doubts.ts). */
  inDoubt?: boolean;
  mayHaveBegun?: boolean;
  /** When the running Asterisk started; null when it does not run. */
  asteriskStartedAt: Date | null;
  /** FastAGI saw the answer. */
  sawAnswer: boolean;
  /** When the hangup handler told that the call is over; null when it did not. */
  hangupAt: Date | null;
  now: Date;
  /** How long whoever is at work on it (the claim, the archive watcher) may take. */
  graceSeconds: number;
  /** How long Asterisk may take to begin a call before it is told of the file (again). */
  announceSeconds: number;
}

/** An Asterisk that has just started reads all of outgoing/ by itself, once it has loaded its modules. */
const STARTS_SECONDS = 10;

/** Long enough for a dialplan of the admin's that goes on after the hangup. */
const OVERDUE_SECONDS = 60;

export type Action =
  /** Somebody else's turn: Asterisk's, the archive watcher's, or time's. */
  | 'leave'
  /** Undo the claim, then remove the file: nobody was called. */
  | 'release'
  /** Have Asterisk look at the file again. */
  | 'announce'
  /** Put a file whose call has begun back where Asterisk looks for it. */
  | 'restore'
  /** Take a file that must not be dialled any more out of outgoing/. */
  | 'withdraw'
  /** End the attempt by its archived file. */
  | 'finish'
  /** End the attempt, which nobody archives, by what FastAGI heard of it, and remove the file. */
  | 'conclude'
  /** The same where nothing was heard. */
  | 'lost'
  | 'remove'
  | 'quarantine';

/**
 * What to do about a call, by its attempt in the database and its file. A call's file is on the disk in staging/ before
 * its claim commits, and the rename into outgoing/ after the commit is what places it (src/spool/writer.ts).
 *
 * | attempt | its file | meaning | action |
 * |---|---|---|---|
 * | open | staging | never placed, or withdrawn | release |
 * | any | staging, begun | Asterisk was late to write into a file that was withdrawn | as in outgoing, but restore where that says leave |
 * | open | outgoing, not begun | waits for Asterisk | leave; announce when it waits for long and Asterisk is up |
 * | open | the same, but FastAGI heard of the call, or Asterisk has a channel of it | Asterisk could not mark it | leave; conclude when it was hung up |
 * | open | outgoing, begun after Asterisk's start | call in progress | leave; conclude when it was hung up a minute ago |
 * | open | outgoing, begun before Asterisk's start | Asterisk died in the call | conclude if anything was heard, else lost |
 * | open | outgoing, begun, and Asterisk has no channel of it | it could not be archived | the same |
 * | open | outgoing, not begun, the spool was read-only meanwhile | Asterisk may have called, and could not write so | the same |
 * | open | outgoing, not begun since long at our start, beside another that could not be archived | the spool was read-only while we were away | the same |
 * | open | outgoing_done | over | finish |
 * | open | nowhere | placed, and taken away by somebody | conclude or lost, after the grace and when Asterisk has no channel of it |
 * | ended | staging | withdrawn, or taken back | remove |
 * | ended | outgoing, not begun | came back, from a backup perhaps; its contact may be in another attempt | withdraw |
 * | ended | outgoing, begun after Asterisk's start | the same, too late | leave: it is archived in the end |
 * | ended | outgoing, begun before Asterisk's start, or no channel of it | finished as lost, file left over; or copied back | remove |
 * | ended | outgoing_done | finished, file left over | remove |
 * | none | staging | its claim never committed | remove, after the grace |
 * | none | outgoing, not begun, or begun before Asterisk's start, or no channel of it | the database was restored, or the campaign deleted | quarantine |
 * | none | outgoing, begun after Asterisk's start | the same, in progress | leave: it is archived in the end |
 * | none | outgoing_done | the same, over | quarantine |
 *
 * Asterisk archives a call that was hung up at once, unless somebody had taken its file away at that moment and put it
 * back after. Nothing but the hangup tells then.
 *
 * "Before Asterisk's start" goes by the clock only for calls that nobody of us saw placed or begun (src/spool/inventory.ts):
 * clocks are set, by an hour where summer time went into the hardware's.
 *
 * While Asterisk does not run, calls that it began are left: it may be that only its run directory is not where it
 * should be, and nobody can be called meanwhile. What lies in outgoing_done/ is left to the archive watcher for the
 * grace.
 */
export function recover(finding: Finding): Action {
  const { attempt, file } = finding;
  switch (file) {
    case 'staging':
      return finding.begunAt ? inOutgoing(finding, 'restore') : inStaging(finding);
    case 'outgoing':
      return inOutgoing(finding, 'leave');
    case 'outgoing_done':
      if (!isOver(finding)) return 'leave';
      return attempt === 'open' ? 'finish' : attempt === 'ended' ? 'remove' : 'quarantine';
    case 'nowhere':
      return attempt === 'open' && isOver(finding) && !finding.isUp ? lost(finding) : 'leave';
  }
}

function inStaging(finding: Finding): Action {
  if (finding.attempt === 'open') return 'release';
  if (finding.attempt === 'ended') return 'remove';
  return isOver(finding) ? 'remove' : 'leave';
}

function inOutgoing(finding: Finding, inProgress: 'leave' | 'restore'): Action {
  const { attempt, begunAt } = finding;
  if (!begunAt) {
    if (attempt === 'open') return unmarked(finding);
    return attempt === 'ended' ? 'withdraw' : 'quarantine';
  }
  if (!diedInIt(finding) && finding.isUp !== false) {
    return attempt === 'open' && isOverdue(finding) ? 'conclude' : inProgress;
  }
  if (attempt === 'open') return lost(finding);
  return attempt === 'ended' ? 'remove' : 'quarantine';
}

/** A file that says nothing of a call; somebody else may know of one. */
function unmarked(finding: Finding): Action {
  const { isUp, inDoubt, mayHaveBegun, sawAnswer, hangupAt, asteriskStartedAt } = finding;
  if (isUp) return 'leave';
  if (mayHaveBegun && asteriskStartedAt) return lost(finding);
  if (inDoubt || !mayAnnounce(finding)) return 'leave';
  if (hangupAt || (sawAnswer && isUp === false)) return 'conclude';
  return sawAnswer ? 'leave' : 'announce';
}

function lost({ sawAnswer, hangupAt }: Finding): Action {
  return sawAnswer || hangupAt ? 'conclude' : 'lost';
}

function isOverdue({ hangupAt, now }: Finding): boolean {
  return hangupAt !== null && olderThan(hangupAt, now, OVERDUE_SECONDS);
}

/** Whether Asterisk has started again since it began the call. */
function diedInIt({ begunAt, asteriskStartedAt, sameRun }: Finding): boolean {
  if (!begunAt || !asteriskStartedAt) return false;
  if (sameRun !== null) return !sameRun;
  // `StartRetry` tells whole seconds. In the second of its start Asterisk begins no call yet (asterisk-run.ts).
  return Math.floor(begunAt.getTime() / 1000) <= Math.floor(asteriskStartedAt.getTime() / 1000);
}

function isOver({ since, now, graceSeconds }: Finding): boolean {
  return olderThan(since, now, graceSeconds);
}

function mayAnnounce({ since, now, announceSeconds, asteriskStartedAt }: Finding): boolean {
  if (!asteriskStartedAt) return false;
  return olderThan(since, now, announceSeconds) && olderThan(asteriskStartedAt, now, STARTS_SECONDS);
}

/** What lies ahead is old: a clock that was set back must not make anybody wait for hours. */
function olderThan(since: Date, now: Date, seconds: number): boolean {
  return Math.abs(now.getTime() - since.getTime()) >= seconds * 1000;
}
