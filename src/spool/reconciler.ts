import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallId } from '../calls/call-id.js';
import { messageOf } from '../errors.js';
import { createDoubts } from './doubts.js';
import { createInventory, type FoundFile } from './inventory.js';
import { type Action, type Finding, recover } from './reconcile.js';
import { type Concerned, type Counts, createRecovery, type RecoveryOptions } from './recovery.js';
import type { Reports } from './reports.js';

export type { Counts, FoundEnding } from './recovery.js';

/** What FastAGI heard of an attempt. Without `hangupAt`, calls whose archiving failed are found at Asterisk's restart. */
export interface Heard {
  sawAnswer: boolean;
  hangupAt?: Date | null;
}

export interface ReconcilerOptions extends RecoveryOptions {
  attempts: {
    /** States of these attempts; those that do not exist are missing from the answer. */
    findStates(callIds: CallId[]): Promise<Map<CallId, Heard & { state: 'open' | 'ended' }>>;
    /** All open attempts of this node. */
    listOpen(): Promise<(Heard & { callId: CallId })[]>;
  };
  reports: Pick<Reports, 'tidy'>;
  /** The calls that Asterisk has a channel of; null when it cannot be asked. Without it nobody is asked. */
  findUp?(): Promise<ReadonlySet<CallId> | null>;
  everySeconds?: number;
  graceSeconds?: number;
  announceSeconds?: number;
  /** Told after each run what was done, and how many of these were files without an attempt and attempts without a file. */
  onReconciled?: ((counts: Counts, orphans: Orphans) => void) | undefined;
}

export interface Orphans {
  files: number;
  attempts: number;
}

/** What a comparison found before it set it right. */
export interface Compared {
  /** When it was done, by performance.now(). */
  at: number;
  /** Open attempts that no call is behind any more, beyond the grace. */
  leaked: number;
  /** Since when the call is over that has waited longest for its attempt to be ended; null: none waits. */
  unfinishedSince: Date | null;
}

export interface Reconciler {
  /** Looks at everything once and sets it right. Returns what was done, by action; throws when the database does. */
  run(): Promise<Counts>;
  /** Runs every `everySeconds`, from one interval on from now. */
  start(): void;
  stop(): Promise<void>;
  /** The spool could not be written, and can again: the next run asks Asterisk about what lies there. */
  doubt(): void;
  /** What the PBX had not taken when it looked last; null when it takes its calls. */
  untaken(): { files: number; since: Date } | null;
  /** The last comparison that went through; null before the first. */
  compared(): Compared | null;
}

/** What is done about an open attempt that no call is behind. */
const LEAKS: readonly Action[] = ['release', 'finish', 'conclude', 'lost'];

const EVERY_SECONDS = 5;
const GRACE_SECONDS = 10;
const ANNOUNCE_SECONDS = 10;
const ARCHIVES_MS = 1000;

/** Brings the spool and the attempts in the database together: at a start, and for whatever went wrong since. */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { spool, log, inFlight, attempts, reports } = options;
  const { everySeconds = EVERY_SECONDS, graceSeconds = GRACE_SECONDS } = options;
  const { announceSeconds = ANNOUNCE_SECONDS } = options;
  const takeInventory = createInventory(spool, { inFlight, announceSeconds });
  const doubts = createDoubts(options.findUp ?? (async () => null));
  const carryOut = createRecovery(options);
  const missingSince = new Map<CallId, Date>();
  let waitingSince: ReadonlyMap<CallId, Date> = new Map();
  let untaken: ReturnType<Reconciler['untaken']> = null;
  let compared: Compared | null = null;
  let current: Promise<Counts> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let running = false;

  async function reconcile(): Promise<Counts> {
    // The open attempts before the directories: each had its file when it was listed, so one whose file is in none of
    // them has lost it. The other way round an attempt claimed meanwhile would look like that.
    const open = await attempts.listOpen();
    const { files, seen, asteriskStartedAt } = await takeInventory();
    // The states after the directories: a file in outgoing/ was placed after its claim had committed, so it has its
    // attempt by now; the other way round it would look like one without.
    const asked = [...new Set(files.map((found) => found.callId))];
    const states = asked.length > 0 ? await attempts.findStates(asked) : new Map();
    const doubtful = await doubts.settle(files);
    // A call that is over just now is archived at once.
    if ([...doubtful.values()].some(({ isUp }) => isUp === false)) await delay(ARCHIVES_MS);
    const now = new Date();
    untaken = findUntaken(waiting(files, now), now, announceSeconds);
    const common = { asteriskStartedAt, now, graceSeconds, announceSeconds };
    const decisions = new Map<Action, Concerned[]>();
    const orphans: Orphans = { files: 0, attempts: 0 };
    let leaked = 0;
    let unfinished = Infinity;
    const decide = (finding: Finding, concerned: Concerned) => {
      const action = recover(finding);
      if (finding.attempt === 'none' && action === 'quarantine') orphans.files += 1;
      if (finding.file === 'nowhere' && action !== 'leave') orphans.attempts += 1;
      if (finding.attempt === 'open' && LEAKS.includes(action)) leaked += 1;
      if (finding.attempt === 'open' && (finding.file === 'outgoing_done' || finding.hangupAt))
        unfinished = Math.min(unfinished, (finding.hangupAt ?? finding.since).getTime());
      const same = decisions.get(action);
      if (same) same.push(concerned);
      else decisions.set(action, [concerned]);
    };
    for (const found of files) {
      const { state = 'none', sawAnswer = false, hangupAt = null } = states.get(found.callId) ?? {};
      dropSecondLink(found);
      const finding = {
        ...common,
        ...found,
        ...doubtful.get(found.name),
        attempt: state,
        sawAnswer,
        hangupAt,
      };
      decide(finding, { callId: found.callId, found });
    }
    const nowhere = [...missing(open, seen, now)];
    // Whose file was taken away may still be talking, and must not be called again meanwhile.
    const isOld = ({ since }: { since: Date }) => now.getTime() - since.getTime() >= graceSeconds * 1000;
    const up = nowhere.some(isOld) ? await options.findUp?.() : null;
    for (const { callId, sawAnswer, hangupAt = null, since } of nowhere) {
      decide(
        {
          ...common,
          attempt: 'open',
          file: 'nowhere',
          since,
          begunAt: null,
          sameRun: null,
          isUp: up?.has(callId) ?? null,
          sawAnswer,
          hangupAt,
        },
        { callId, found: null },
      );
    }
    const unfinishedSince = unfinished === Infinity ? null : new Date(unfinished);
    compared = { at: performance.now(), leaked, unfinishedSince };
    const counts = await carryOut(decisions);
    options.onReconciled?.(counts, orphans);
    reports.tidy(new Set(open.map(({ callId }) => callId)));
    if (Object.keys(counts).length > 0) log.info(counts, 'reconciled spool and database');
    return counts;
  }

  /** Since when each call waits to be taken. A file that is announced again is as new: what counts is when it was seen first. */
  function waiting(files: readonly FoundFile[], now: Date): ReadonlyMap<CallId, Date> {
    // A file that is being withdrawn has a time that lies ahead: withdrawal.ts.
    const found = files.filter(
      ({ file, begunAt, writtenAt }) => file === 'outgoing' && begunAt === null && writtenAt <= now,
    );
    waitingSince = new Map(
      found.map(({ callId, writtenAt }) => {
        const known = waitingSince.get(callId) ?? writtenAt;
        return [callId, known < writtenAt ? known : writtenAt];
      }),
    );
    return waitingSince;
  }

  /** Removes what `announceAgain` left in staging/ when we died in it. */
  function dropSecondLink({ name, file, directory }: FoundFile): void {
    const staged = join(spool.staging, name);
    // Both, now: the file may have been withdrawn to staging/ since it was listed, and then it is the only one.
    const both = file !== 'staging' && existsSync(staged) && existsSync(join(directory, name));
    if (both) unlinkSync(staged);
  }

  /** Open attempts without a file. An attempt may just be ending, so it must have been missed for a while. */
  function* missing(
    open: (Heard & { callId: CallId })[],
    seen: ReadonlySet<CallId>,
    now: Date,
  ): Generator<Heard & { callId: CallId; since: Date }> {
    const absent = open.filter(({ callId }) => !seen.has(callId) && !inFlight(callId));
    const ids = new Set(absent.map(({ callId }) => callId));
    for (const callId of missingSince.keys()) if (!ids.has(callId)) missingSince.delete(callId);
    for (const attempt of absent) {
      const since = missingSince.get(attempt.callId) ?? now;
      missingSince.set(attempt.callId, since);
      yield { ...attempt, since };
    }
  }

  function run(): Promise<Counts> {
    current ??= reconcile().finally(() => {
      current = null;
    });
    return current;
  }

  function runLater(): void {
    timer = setTimeout(() => {
      void run()
        .catch((error: unknown) => log.error({ reason: messageOf(error) }, 'cannot reconcile the spool'))
        .finally(() => running && runLater());
    }, everySeconds * 1000);
  }

  return {
    run,
    doubt: doubts.begin,
    untaken: () => untaken,
    compared: () => compared,
    start() {
      if (running) return;
      running = true;
      runLater();
    },
    async stop() {
      running = false;
      clearTimeout(timer);
      await current?.catch(() => {});
    },
  };
}

/** Asterisk takes a file within a second or two; what has lain there for `patienceSeconds` it does not see, or does not run. */
function findUntaken(
  waitingSince: ReadonlyMap<CallId, Date>,
  now: Date,
  patienceSeconds: number,
): { files: number; since: Date } | null {
  const latest = now.getTime() - patienceSeconds * 1000;
  const times = [...waitingSince.values()].map((since) => since.getTime()).filter((since) => since <= latest);
  return times.length === 0 ? null : { files: times.length, since: new Date(Math.min(...times)) };
}
